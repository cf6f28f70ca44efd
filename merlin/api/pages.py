"""Everything that is not GraphQL: the console, the GraphiQL page, health, metrics."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from merlin.api import console
from merlin.api.answers import JSONAnswer
from merlin.api.assets import Assets
from merlin.api.parts import Parts
from merlin.db.migrate import check_schema
from merlin.errors import MerlinError

GRAPHIQL = Path(__file__).parent.parent / "static" / "graphiql"
READY_SECONDS = 5.0
# Monaco (GraphiQL's editor) makes style elements and workers from blobs; everything else is ours, and no other host's.
CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Merlin GraphiQL</title>
<h1>GraphiQL is not built</h1>
<p>Its bundle is made at set-up where Node.js (20 or newer, with npm) is on the PATH. Install it, remove the file
<code>merlin/static/.made</code> and run <code>make setup</code>; then load this page again.</p>
<p>The API itself works without it: <code>POST /graphql</code>, see <code>docs/graphql.md</code>.</p></html>"""


def routes(parts: Parts, *, graphiql: Path = GRAPHIQL) -> list[BaseRoute]:
    """All pages; the console's come last and answer whatever is left."""

    async def ready(_: Request) -> Response:
        problem = await _problem(parts)
        return JSONAnswer({"ready": problem is None, "problem": problem}, status_code=503 if problem else 200)

    async def metrics(_: Request) -> Response:
        return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    pages: list[BaseRoute] = [
        Route("/healthz", _alive),
        Route("/readyz", ready),
        Route("/metrics", metrics),
    ]
    if parts.settings.graphiql:
        pages += _graphiql(graphiql)
    return [*pages, *console.routes()]


def _graphiql(folder: Path) -> list[BaseRoute]:
    async def page(_: Request) -> Response:
        index = folder / "index.html"
        return FileResponse(index) if index.is_file() else HTMLResponse(_NOT_BUILT)

    return [
        Route("/graphiql", page),
        Route("/graphiql/", page),
        Mount("/graphiql", Assets(directory=folder, check_dir=False)),
    ]


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _problem(parts: Parts) -> str | None:
    """Why this process cannot answer well: no database, or another schema. MLflow is not asked: much works without."""
    if parts.stopping.is_set():
        return "It is being stopped."
    settings = parts.settings
    try:
        async with asyncio.timeout(READY_SECONDS):
            await check_schema(settings.database_direct_url or settings.database_url)
    except TimeoutError:
        return "The database did not answer in time."
    except MerlinError as error:
        return error.message
    return None


class PageHeaders:
    """ASGI middleware: what browsers may do with any page or answer of ours that does not say so itself."""

    def __init__(self, app: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every HTTP answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                names = {name.lower() for name, _ in given}
                message["headers"] = given + [header for header in _HEADERS if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)  # type: ignore[operator]
