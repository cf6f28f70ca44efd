"""Who may come in: the token, and no page of a browser.

Whoever may write here runs programs on this machine. So every request names this host (DNS rebinding), comes from no
foreign page, and carries the token; only the health checks go without.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from merlin.localcluster.api.errors import Refused, unauthorized
from merlin.localcluster.origin import LOOPBACK, foreign

HEALTH: Final = ("/readyz", "/livez", "/healthz")
_HOSTS: Final = LOOPBACK | {"kubernetes.default.svc"}


def token_in(path: Path) -> str:
    """The token in a file (0600), made anew when there is none."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(content.encode() if isinstance(content, str) else content)
    fresh.replace(path)


def check(headers: Mapping[str, str], path: str, token: str) -> None:
    """Raises Refused (403 a foreign Host or Origin, 401 no or a wrong token)."""
    if (stranger := foreign(headers, _HOSTS)) is not None:
        raise Refused(403, "Forbidden", f"forbidden: {stranger}")
    if path in HEALTH:
        return
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not known:
        raise unauthorized()
