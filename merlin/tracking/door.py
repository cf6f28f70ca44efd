"""The one place that speaks HTTP to MLflow, and turns what it answers into Merlin's errors.

Every call has a deadline. Answers are JSON objects of MLflow's REST API 2.0, or bytes of an artifact.
"""

from __future__ import annotations

from typing import Any

import httpx

from merlin.errors import AlreadyExists, MerlinError, NotFound, Rejected, Unavailable

_API = "/api/2.0/mlflow"
# Servers close an idle connection after a while (gunicorn after 2 s, uvicorn after 5), and a request that is on its way
# just then is lost: a connection is given up before any of them would.
_IDLE_SECONDS = 1.0
_LARGEST_ARTIFACT_BYTES = 4 * 1024 * 1024  # MLmodel, requirements and an input example: far smaller in practice


class Door:
    """An open connection pool to one MLflow server."""

    def __init__(self, base_url: str, *, timeout_seconds: float = 10.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=_IDLE_SECONDS),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the pool; calls under way fail."""
        await self._http.aclose()

    async def get(self, path: str, /, **params: str) -> dict[str, Any]:
        """The JSON object at an API path. Raises NotFound, Rejected, Unavailable."""
        return await self._json("GET", path, params=params)

    async def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        """The JSON object that MLflow answers to a body. Raises NotFound, AlreadyExists, Rejected, Unavailable."""
        return await self._json("POST", path, json=body)

    async def read(self, path: str, /, **params: str) -> bytes | None:
        """A small file behind an artifact route, or ``None`` when there is none. Raises Unavailable, Rejected."""
        try:
            async with self._http.stream("GET", path, params=params) as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    return None
                content = await _read_bounded(response)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        if _says_no_such_file(response.status_code, content):
            return None
        if response.is_error:
            raise _translated(response.status_code, content)
        return content

    async def ping(self) -> str:
        """The server's version. Raises Unavailable."""
        content = await self.read("/version")
        return (content or b"unknown").decode("utf-8", "replace").strip()

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, f"{_API}/{path}", **request)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        if response.is_error:
            raise _translated(response.status_code, response.content)
        try:
            answer = response.json()
        except ValueError as error:
            raise _unavailable(error) from error
        return answer if isinstance(answer, dict) else {}


async def _read_bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _LARGEST_ARTIFACT_BYTES:
            raise Rejected(f"A file of the artifact is larger than {_LARGEST_ARTIFACT_BYTES} bytes.")
    return bytes(content)


def _says_no_such_file(status: int, content: bytes) -> bool:
    # MLflow answers 500 with the artifact store's own words when a file is not there (3.17).
    return status == httpx.codes.INTERNAL_SERVER_ERROR and (b"No such" in content or b"not found" in content.lower())


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        f"MLflow did not answer ({type(error).__name__}).",
        code="MLFLOW_UNAVAILABLE",
        hint="Try again; the same call continues where this one stopped.",
    )


def _translated(status: int, content: bytes) -> MerlinError:
    try:
        answer = httpx.Response(status, content=content).json()
        code, message = str(answer.get("error_code", "")), str(answer.get("message", ""))
    except (ValueError, AttributeError):
        code, message = "", content[:200].decode("utf-8", "replace")
    message = message.split("\n", 1)[0][:500]
    if code == "RESOURCE_DOES_NOT_EXIST" or status == httpx.codes.NOT_FOUND:
        return NotFound(f"MLflow: {message}")
    if code == "RESOURCE_ALREADY_EXISTS":
        return AlreadyExists(f"MLflow: {message}")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        return Unavailable(f"MLflow failed ({status}): {message}", code="MLFLOW_UNAVAILABLE", hint="Try again.")
    return Rejected(f"MLflow refused ({status}): {message}")
