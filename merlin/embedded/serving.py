"""What a platform that was started again serves: the models' addresses, as its own API tells them."""

from __future__ import annotations

import logging
from typing import Any

import aiohttp

log = logging.getLogger(__name__)

_SHOWN = 5
_SECONDS = 5
_QUERY = """
query($first: Int) {
  versionEndpoints(
    first: $first, filter: {lifecycle: [SERVING]}, order: [{field: UPDATED_AT, direction: DESC}]
  ) {
    totalCount
    nodes {
      version { model { name project { name }
        endpoints(first: 5) { nodes { url environment { name } servingVersion { number } } } } }
    }
  }
}
"""


async def what_serves(graphql: str, token: str) -> list[str]:
    """A line for each model that serves, the last changed first, at most five; none when the API does not say."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    headers = {"authorization": f"Bearer {token}"}
    body = {"query": _QUERY, "variables": {"first": _SHOWN}}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(graphql, json=body) as response,
        ):
            found = (await response.json())["data"]["versionEndpoints"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        log.warning("what serves could not be read", extra={"error": str(error)})
        return []
    return _lines(found)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = dict.fromkeys(line for node in found["nodes"] for line in _lines_of(node["version"]["model"]))
    more = found["totalCount"] - len(found["nodes"])
    return [*lines, *([f"and {more} more, see the console"] if more > 0 else [])]


def _lines_of(model: dict[str, Any]) -> list[str]:
    return [
        f"{model['project']['name']}/{model['name']} version {endpoint['servingVersion']['number']} "
        f"in {endpoint['environment']['name']}: {endpoint['url']}"
        for endpoint in model["endpoints"]["nodes"]
        if endpoint["servingVersion"] is not None
    ]
