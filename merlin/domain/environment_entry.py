"""One entry of the environments' file, read key by key; problems are collected, so that all are told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from merlin.errors import InvalidInput, Misconfigured

Choice = TypeVar("Choice", bound=StrEnum)


class Entry:
    """A mapping of the file. Each reader returns a value of its type; what is of another type is noted as a problem."""

    def __init__(self, content: Any, *, place: str = "", problems: list[str] | None = None) -> None:
        self._place = place
        self._problems = problems if problems is not None else []
        self.given = content is not None
        if content is not None and not isinstance(content, Mapping):
            self._problems.append(f"{place or 'it'} must hold keys and values")
            content = None
        self._content: Mapping[str, Any] = content or {}

    def problem(self, key: str, message: str) -> None:
        """Note what is wrong with a key."""
        self._problems.append(f"{self._place}{key}: {message}")

    def collect(self, check: Callable[[str], None], text: str) -> None:
        """Note the problem that a check of the domain raises."""
        try:
            check(text)
        except InvalidInput as error:
            self._problems.append(error.message)

    def only(self, keys: set[str]) -> None:
        """Note every key that means nothing here: a slip of the pen must not go unseen."""
        for key in sorted(set(map(str, self._content)) - keys):
            self.problem(key, f"is not known; known are {', '.join(sorted(keys))}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; required without a default."""
        value = self._content.get(key)
        if value is None:
            if default is None:
                self.problem(key, "is missing")
            return default or ""
        if not isinstance(value, str):
            self.problem(key, "must be text")
            return ""
        return value

    def scalar(self, key: str, default: str | None) -> str | None:
        """A text or number as text: YAML reads `cpu: 2` as a number."""
        value = self._content.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.problem(key, "must be an amount")
            return default
        return str(value)

    def number(self, key: str, default: int, *, least: int) -> int:
        """A whole number of at least ``least``."""
        value = self._content.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.problem(key, f"must be a whole number of at least {least}")
            return default
        return value

    def flag(self, key: str) -> bool:
        """True or false; false when absent."""
        value = self._content.get(key, False)
        if not isinstance(value, bool):
            self.problem(key, "must be true or false")
            return False
        return value

    def choice(self, key: str, kinds: type[Choice], default: Choice) -> Choice:
        """One of a closed set of words."""
        value = self._content.get(key)
        if value is None:
            return default
        try:
            return kinds(value)
        except ValueError:
            self.problem(key, f"must be one of {', '.join(kinds)}")
            return default

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Keys and values as they are; empty when absent."""
        value = self._content.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problem(key, "must hold keys and values")
            return {}
        return value

    def part(self, key: str, *, optional: bool = False) -> Entry:
        """A nested entry; its problems are told with this one's."""
        value = self._content.get(key)
        if value is None and not optional:
            self.problem(key, "is missing")
        return Entry(value, place=f"{self._place}{key}.", problems=self._problems)

    def raise_problems(self, what: str) -> None:
        """Raise Misconfigured with everything that was noted; return when nothing was."""
        if self._problems:
            raise Misconfigured(
                f"{what} is wrong: {'; '.join(dict.fromkeys(self._problems))}.", hint="See docs/settings.md."
            )
