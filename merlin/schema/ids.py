"""Opaque global ids: base64url of ``TypeName:uuid``, so that any id can be given to `node(id)`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from uuid import UUID

import strawberry

from merlin.errors import InvalidInput

NODE_TYPES = frozenset({"Project", "Model", "Version", "VersionEndpoint", "Revision", "ModelEndpoint", "Environment"})
"""Types that `node(id)` finds."""


def global_id(type_name: str, key: UUID | int) -> strawberry.ID:
    """The id that users see."""
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{key}".encode()).rstrip(b"=").decode())


def parse_id(text: str, type_name: str, *, path: Sequence[str | int] = ("id",)) -> UUID:
    """The key in an id of that type. Raises InvalidInput (INVALID_ID) that says what it is instead."""
    found, key = parse_any_id(text, path=path)
    if found != type_name:
        raise _invalid(f"That id is of a {found}; one of a {type_name} is needed.", path)
    return key


def parse_any_id(text: str, *, path: Sequence[str | int] = ("id",)) -> tuple[str, UUID]:
    """The type's name and the key in an id. Raises InvalidInput (INVALID_ID)."""
    try:
        decoded = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        type_name, _, key = decoded.partition(":")
        if type_name in NODE_TYPES:
            return type_name, UUID(key)
    except (ValueError, binascii.Error):
        pass
    raise _invalid(f"{text[:80]!r} is not an id of this API.", path)


def _invalid(message: str, path: Sequence[str | int]) -> InvalidInput:
    return InvalidInput(message, code="INVALID_ID", path=path, hint="Pass an `id` exactly as this API gave it.")
