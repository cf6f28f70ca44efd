"""Whether a request comes from elsewhere: a name that somebody lets point here (DNS rebinding), or a foreign page."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def foreign(headers: Mapping[str, str], hosts: Set[str]) -> str | None:
    """What to answer (with 403) to a Host or an Origin that is none of ``hosts``; ``None`` when all is well."""
    if not _is_one_of(hosts, f"//{headers.get('Host', '')}"):
        return "this host name is not served here"
    origin = headers.get("Origin")
    if origin is not None and not _is_one_of(hosts, origin):
        return "requests from other pages are not served"
    return None


def _is_one_of(hosts: Set[str], url: str) -> bool:
    try:
        return urlsplit(url).hostname in hosts
    except ValueError:
        return False
