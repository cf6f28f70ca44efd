"""The client's GraphQL operations: one file each, and the fragments they share (files named for their type).

A test holds every one of them against the server's schema.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files

_SPREAD = re.compile(r"\.\.\.\s*([A-Z]\w*Fields)\b")


@functools.cache
def document(name: str) -> str:
    """The text of an operation, with every fragment that it uses, however deep."""
    texts = {name: _read(name)}
    wanted = _SPREAD.findall(texts[name])
    while wanted:
        fragment = wanted.pop()
        if fragment not in texts:
            texts[fragment] = _read(fragment)
            wanted += _SPREAD.findall(texts[fragment])
    return "\n".join(texts.values())


def names() -> list[str]:
    """The names of all operations, without the fragments."""
    found = [path.name for path in files(__name__).iterdir() if path.name.endswith(".graphql")]
    return sorted(name.removesuffix(".graphql") for name in found if not name.endswith("Fields.graphql"))


def _read(name: str) -> str:
    return (files(__name__) / f"{name}.graphql").read_text(encoding="utf-8")
