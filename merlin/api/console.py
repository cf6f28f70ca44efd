"""The console: one page for all of its addresses, its files, and what browsers may do with it.

The page finds its way by the address itself, so every address that nothing else answers gets the page: with 200 when
the console has such a page, else with 404 (it says so too). Programs, which do not accept HTML, get a plain 404.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from merlin.api.assets import Assets

CONSOLE = Path(__file__).parent.parent / "static" / "console"
# What the console's own routes begin with (ui/console/src/routes.tsx).
PAGES = ("sign-in", "projects", "environments")
_PAGES = re.compile(r"/(sign-in|projects(/.*)?|environments(/.*)?)?/?")
# In index.html, for style elements made at run time; scripts come from files alone.
NONCE = "__MERLIN_NONCE__"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Merlin</title>
<h1>The console is not built</h1>
<p>Its pages are made at set-up where Node.js (20 or newer, with npm) is on the PATH. Install it, remove the file
<code>merlin/static/.made</code> and run <code>make setup</code>; then load this page again.</p>
<p>Everything works without it: <a href="/graphiql">GraphiQL</a>, <code>POST /graphql</code>, the Python client.</p>
</html>"""


def routes(folder: Path = CONSOLE) -> list[BaseRoute]:
    """The console; to be the last routes of all, since they answer whatever is left."""

    async def page(request: Request) -> Response:
        known = _PAGES.fullmatch(request.url.path) is not None
        if not known and "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404)
        return _page(folder / "index.html", 200 if known else 404)

    return [
        Mount("/assets", Assets(directory=folder / "assets", check_dir=False)),
        Route("/{path:path}", page, methods=["GET"]),
    ]


def is_built(folder: Path = CONSOLE) -> bool:
    """Whether there is a console to show."""
    return (folder / "index.html").is_file()


def _page(index: Path, status: int) -> Response:
    try:
        html = index.read_text()
    except FileNotFoundError:
        return HTMLResponse(_NOT_BUILT, status, headers={"cache-control": "no-store"})
    nonce = secrets.token_urlsafe(16)
    headers = {"cache-control": "no-store", "content-security-policy": _policy(nonce)}
    return HTMLResponse(html.replace(NONCE, nonce), status, headers=headers)


def _policy(nonce: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "font-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
