"""Expected errors of a mutation are part of its answer: the payload's ``errors``, all at once, the thing null.

Put ``extensions=[ExpectedErrors()]`` on every mutation. Queries raise the same errors; `merlin.schema.error_format`
shows those and masks the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from strawberry import Info
from strawberry.extensions import FieldExtension
from strawberry.types.field import StrawberryField

from merlin.errors import MerlinError, Unauthenticated
from merlin.schema.error_format import expected
from merlin.schema.errors import user_error


class ExpectedErrors(FieldExtension):
    """Turns a `MerlinError` into ``Payload(errors=[…])``. Any other error passes through and is masked."""

    def apply(self, field: StrawberryField) -> None:
        """Remember which payload to make; every field of it but ``errors`` has a default."""
        self._field = field

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info[Any, Any], **kwargs: Any
    ) -> Any:
        """The resolver's payload, or one with what it refused."""
        try:
            return await next_(source, info, **kwargs)
        except Unauthenticated:
            raise
        except MerlinError as error:
            payload: Any = self._field.type
            return payload(errors=[user_error(one) for one in expected(error)])
