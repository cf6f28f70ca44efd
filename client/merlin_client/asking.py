"""Asking an endpoint for a prediction over HTTP, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from merlin_client.addresses import is_loopback
from merlin_client.errors import PredictionFailed, TimedOut, Unavailable
from merlin_client.prediction import answer_for, request_for

if TYPE_CHECKING:
    import httpx


class Endpoints:
    """The HTTP connections to endpoints: opened when they are needed, and kept."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def ask(self, url: str, data: Any, signature: Mapping[str, Any] | None, timeout: float) -> Any:
        """The prediction in the form of the question. Raises InputError, PredictionFailed, Unavailable, TimedOut."""
        response = await self._post(url, request_for(data, signature), timeout)
        if response.status_code != 200:
            raise PredictionFailed(_reason(response), status=response.status_code, hint=_hint(response.status_code))
        return answer_for(data, response.json())

    async def _post(self, url: str, request: Mapping[str, Any], timeout: float) -> httpx.Response:
        import httpx

        try:
            return await self._client(is_loopback(url)).post(url, json=request, timeout=timeout)
        except httpx.TimeoutException as error:
            raise TimedOut(f"{url} did not answer within {timeout:g} s.", hint="Give a longer timeout.") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{url} cannot be reached: {error}") from error

    def _client(self, local: bool) -> httpx.AsyncClient:
        if local not in self._clients:
            import httpx

            self._clients[local] = httpx.AsyncClient(trust_env=not local)
        return self._clients[local]

    async def close(self) -> None:
        """Close the connections; the next question opens them again."""
        while self._clients:
            await self._clients.popitem()[1].aclose()


def _reason(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return f"HTTP {response.status_code}: {response.text[:500]}"
    reason = answer.get("error") or answer.get("message") if isinstance(answer, dict) else None
    return str(reason or f"HTTP {response.status_code}: {response.text[:500]}")


def _hint(status: int) -> str | None:
    if status == 404:
        return "Does the endpoint run? Its status tells."
    return "Try again in a moment." if status == 503 else None
