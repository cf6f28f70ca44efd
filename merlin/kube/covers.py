"""Whether an object holds already what would be applied: an apply that changes nothing is spared."""

from __future__ import annotations

from typing import Any


def covers(found: Any, wanted: Any) -> bool:
    """Whether every field of ``wanted`` is in ``found`` with the same value.

    The server adds fields of its own, so more may be there; of lists only objects may have more, not the list itself.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and covers(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(covers(there, here) for there, here in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)
