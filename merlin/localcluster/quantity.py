"""Quantities: "100m", "1Gi", 2."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_PATTERN: Final = re.compile(r"^([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE]|)|[eE]([+-]?[0-9]+))$")
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_MEMORY: Final = ("memory", "storage", "hugepages")


def amount(quantity: Any) -> Decimal:
    """Its value. Raises ValueError."""
    found = _PATTERN.match(str(quantity))
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix, exponent = found.groups()
    if exponent is not None:
        return Decimal(number).scaleb(int(exponent))
    if suffix in _BINARY:
        return Decimal(number) * (1 << _BINARY[suffix])
    return Decimal(number).scaleb(_DECIMAL[suffix or ""])


def canonical(quantity: Any) -> str:
    """The same amount as Kubernetes keeps it: the largest suffix of its kind that leaves no fraction.

    Raises ValueError.
    """
    value, text = amount(quantity), str(quantity)
    if re.search("[eE][+-]?[0-9]", text):
        return text
    if text.endswith("i") and value == value.to_integral_value() and abs(value) >= 1024:
        return _in_bytes(int(value))
    for suffix in reversed(_DECIMAL):
        mantissa = value.scaleb(-_DECIMAL[suffix])
        if value and mantissa == mantissa.to_integral_value():
            return f"{int(mantissa)}{suffix}"
    return "0" if not value else text


def shown(value: Decimal, resource: str) -> str:
    """As Kubernetes writes it: memory in the largest binary unit that is exact, the rest in units or thousandths."""
    if any(word in resource for word in _MEMORY):
        return _in_bytes(int(value))
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int((value * 1000).to_integral_value(rounding='ROUND_CEILING'))}m"


def _in_bytes(count: int) -> str:
    for suffix, bits in reversed(_BINARY.items()):
        if count and count % (1 << bits) == 0:
            return f"{count >> bits}{suffix}"
    return str(count)
