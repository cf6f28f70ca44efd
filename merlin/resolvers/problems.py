"""All that is wrong with one request, collected so that it is told at once, before anything is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from merlin.errors import InputErrors, InvalidInput, MerlinError

Given = ParamSpec("Given")


class Problems:
    """Call `check` for each rule and `raise_any` at the end."""

    def __init__(self) -> None:
        self._errors: list[MerlinError] = []

    def check(self, rule: Callable[Given, Any], *args: Given.args, **kwargs: Given.kwargs) -> None:
        """Apply a rule and keep what it raises."""
        try:
            rule(*args, **kwargs)
        except InputErrors as errors:
            self._errors += errors.errors
        except MerlinError as error:
            self._errors.append(error)

    def add(self, error: MerlinError) -> None:
        """Keep an error."""
        self._errors.append(error)

    def longest(self, text: str | None, most: int, field: str) -> None:
        """A text of at most ``most`` characters without NUL."""
        if text is None:
            return
        if len(text) > most:
            message = f"`{field}` has {len(text)} characters; at most {most} are possible."
            self.add(InvalidInput(message, path=(field,), hint="Shorten it."))
        if "\0" in text:
            message = f"`{field}` holds a NUL, which cannot be stored."
            self.add(InvalidInput(message, path=(field,), hint="Leave the NUL out."))

    def raise_any(self) -> None:
        """Raise what was found: one error as it is, several as InputErrors."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise InputErrors(self._errors)


@contextlib.contextmanager
def located(*path: str | int) -> Iterator[None]:
    """Errors of the block that say of no input field: they are about this one."""
    try:
        yield
    except MerlinError as error:
        error.path = error.path or path
        raise
