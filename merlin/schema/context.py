"""How resolvers of this schema see their request."""

from __future__ import annotations

import strawberry

from merlin.resolvers.context import Context

__all__ = ["Context", "Info"]

Info = strawberry.Info[Context, None]
