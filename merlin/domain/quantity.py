"""Kubernetes quantities: text such as "500m" and "1Gi" to whole numbers and back to one canonical text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from merlin.errors import InvalidInput

_CPU = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(m?)")
_MEMORY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(|k|M|G|T|Ki|Mi|Gi|Ti)")
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10}
_MOST_MILLICORES = 10**7
_MOST_BYTES = 2**50
_LEAST_BYTES = 4 * 2**20  # less, and no container starts: a number whose unit was forgotten


def parse_cpu(text: str, *, path: Sequence[str | int] = ()) -> int:
    """Millicores of "500m", "0.5" or "2". Raises InvalidInput (INVALID_QUANTITY): no number, zero, finer than 1m."""
    match = _CPU.fullmatch(text.strip())
    millicores = Decimal(match[1]) * (1 if match[2] else 1000) if match else Decimal(0)
    if not 0 < millicores <= _MOST_MILLICORES or millicores != int(millicores):
        raise InvalidInput(
            f"{text[:40]!r} is not an amount of CPU; write cores (2, 0.5) or thousandths (500m).",
            code="INVALID_QUANTITY",
            path=path,
            hint="Write CPU as 500m or 2.",
        )
    return int(millicores)


def parse_memory(text: str, *, path: Sequence[str | int] = ()) -> int:
    """Bytes of "1Gi", "512Mi", "1.5G". Raises InvalidInput (INVALID_QUANTITY): no number, under 4Mi, part of a byte."""
    match = _MEMORY.fullmatch(text.strip())
    size = Decimal(match[1]) * (_FACTORS.get(match[2]) or _BINARY[match[2]]) if match else Decimal(0)
    if not 0 < size <= _MOST_BYTES or size != int(size):
        raise InvalidInput(
            f"{text[:40]!r} is not an amount of memory; write it as 512Mi, 1Gi or 1.5G.",
            code="INVALID_QUANTITY",
            path=path,
            hint="Write memory as 512Mi or 1Gi.",
        )
    if size < _LEAST_BYTES:
        raise InvalidInput(
            f"{text[:40]!r} is {int(size):,} bytes of memory, in which nothing runs; it must be at least 4Mi.",
            code="INVALID_QUANTITY",
            path=path,
            hint="Write memory with its unit, as 512Mi or 1Gi.",
        )
    return int(size)


def format_cpu(millicores: int) -> str:
    """The canonical text: whole cores where possible, else thousandths."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def format_memory(size_bytes: int) -> str:
    """The canonical text: the largest binary unit that divides it, else plain bytes."""
    for unit, factor in _BINARY.items():
        if size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return str(size_bytes)
