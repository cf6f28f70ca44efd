"""Where Merlin answers and the token it wants, found without being told.

`merlin up` writes ``addresses.json`` into its data folder while it runs. Its token is only ever sent to the address
that stands beside it in that file: a URL given by hand gets it only if it is the same server.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from merlin_client.errors import MerlinError, NotConfigured, Unavailable

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Address:
    """The URL of the GraphQL endpoint, and a token if one was found, with where. The token is not shown."""

    url: str
    token: str | None = None
    found_in: str = "it was given"

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def find_address(url: str | None = None, token: str | None = None, home: str | Path | None = None) -> Address:
    """What was given, else MERLIN_URL and MERLIN_TOKEN, else the ``addresses.json`` of a running platform.

    That file is looked for in ``home``, in MERLIN_HOME, and in ``.merlin`` here and in the folders above.
    Raises NotConfigured when no URL can be found, Unavailable when the platform of a data folder is stopped.
    """
    running = _running_platform(home)
    if url is None and home is None:
        url = os.environ.get("MERLIN_URL")
    if url is None:
        if running is None:
            raise _nowhere()
        url = running["graphql"]
    url = graphql_url(url)
    if token:
        return Address(url, token)
    if home is None and (told := os.environ.get("MERLIN_TOKEN")):
        return Address(url, told, "from MERLIN_TOKEN")
    if running is not None and _same_server(url, running["graphql"]):
        return Address(url, running["token"], f"from {running['file']}")
    return Address(url)


def graphql_url(url: str) -> str:
    """The GraphQL endpoint of a server that may have been named by its root. Raises NotConfigured."""
    text = url.strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NotConfigured(f"{url!r} is not a URL.", hint="Give one like http://127.0.0.1:8080.")
    return text if parts.path.endswith("/graphql") else f"{text}/graphql"


def is_loopback(url: str) -> bool:
    """Whether it is on this machine, so that no proxy may be asked for it."""
    return urlsplit(url).hostname in _LOOPBACK


def _running_platform(home: str | Path | None) -> dict[str, str] | None:
    for folder in _folders(home):
        try:
            file = folder / "addresses.json"
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and {"graphql", "token"} <= found.keys():
            return {**{str(key): str(value) for key, value in found.items()}, "file": str(file)}
    if home is not None:
        raise Unavailable(f"No platform runs in {home}.", hint=f"Start one: merlin up --home {home}")
    return None


def _nowhere() -> MerlinError:
    """Nothing was said, and nothing runs: a data folder that is there belongs to a platform that is stopped."""
    stopped = next((folder for folder in _folders(None) if folder.is_dir()), None)
    if stopped is not None:
        return Unavailable(f"No platform runs in {stopped}.", hint=f"Start it: merlin up --home {stopped}")
    return NotConfigured(
        "The URL of Merlin is not known.",
        hint="Use set_url(...), --url or MERLIN_URL; or start a platform here: merlin up.",
    )


def _folders(home: str | Path | None) -> list[Path]:
    if home is not None:
        return [Path(home)]
    here = Path.cwd()
    above = [folder / ".merlin" for folder in (here, *here.parents)]
    told = os.environ.get("MERLIN_HOME")
    return [Path(told), *above] if told else above


def _same_server(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return a.port == b.port and (a.hostname == b.hostname or {a.hostname, b.hostname} <= _LOOPBACK)
