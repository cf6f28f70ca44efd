"""MLflow's tracking server for `uvicorn --factory merlin_runtime.mlflow_server:make_app`, closed to foreign pages.

MLflow itself looks at an Origin only where its REST API is written to: pages of other sites may ask it anything that
GET or its own GraphQL answers, and pages of any other server of this machine may write. Here every request whose Host
is not this machine's own loopback name, or whose Origin is not that name at the Host's port, gets a 403 before MLflow
sees it. It lies in this package since Merlin starts MLflow in the models' Python environment, where this one is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from merlin_runtime.wire import TEXT, Answer, Receive, Scope, Send, send_answer

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def make_app() -> Application:
    """MLflow's own application, guarded."""
    from mlflow.server.fastapi_app import app  # seconds: whoever imports this module need not pay for it

    return OwnPagesOnly(app)


class OwnPagesOnly:
    """ASGI middleware: passes on what comes from programs and from the server's own pages, refuses all else (403)."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] not in ("http", "websocket") or _is_ours(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: a 403
        else:
            refused = Answer(403, b"Requests of other hosts and pages are refused.\n", TEXT)
            await send_answer(send, refused, (), head_only=scope["method"] == "HEAD")


def _is_ours(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    port = _port(b"http://" + hosts[0]) if len(hosts) == 1 else None
    return port is not None and all(_port(origin) == port for origin in origins)


def _port(url: bytes) -> int | None:
    """The port of a loopback address; ``None`` of any other."""
    try:
        parts = urlsplit(url.decode("ascii"))
        known = parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK
        return (parts.port or {"http": 80, "https": 443}[parts.scheme]) if known else None
    except ValueError:
        return None
