"""Sessions of browsers: a token is given once and comes back as a cookie that no script can read.

The cookie is the token, encrypted with the installation's key: any API process opens it, nothing is stored, and a
revoked token ends its sessions. Browsers send cookies of a host to each of its ports, so the cookie is named after the
port (two platforms on one laptop keep their own) and for `/graphql` alone. Models do not get it: no project is called
so (`merlin.domain.names`), and the embedded gateway takes it out of what it passes on. Any other server of this host
gets it from a browser that asks it for `/graphql`: SameSite keeps pages of other sites from having that done.

A request that carries only the cookie must say that it comes from one of our own pages (`is_own_page`): `Doors` has
checked the Origin by then, but lets requests without one pass, as those of programs.
"""

from __future__ import annotations

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from merlin.api.answers import NO_STORE, JSONAnswer, refusal, unauthenticated
from merlin.api.body import Refused, read_json
from merlin.api.parts import Parts
from merlin.db.secrets import SecretKey
from merlin.errors import Unavailable

SESSION_SECONDS = 30 * 24 * 3600
PATH = "/graphql"
_KIND = "session:"
_MOST_BYTES = 8192


def routes(parts: Parts) -> list[BaseRoute]:
    """`POST /session` with {"token": …} begins one, `POST /session/end` ends it (in this browser)."""

    secure = parts.public_url.startswith("https:")

    def set_cookie(response: Response, request: Request, value: str, seconds: int) -> None:
        name = cookie_name(request.headers.get("host", ""))
        response.set_cookie(name, value, max_age=seconds, path=PATH, secure=secure, httponly=True, samesite="strict")

    async def begin(request: Request) -> Response:
        try:
            token = _token_in(await read_json(request, most_bytes=_MOST_BYTES))
            caller = await parts.caller(f"Bearer {token}", request.state.request_id)
        except Refused as refused:
            return refused.response
        except Unavailable as error:
            return refusal(503, error.code, error.message, hint=error.hint or "", headers={"retry-after": "1"})
        if caller is None:
            return unauthenticated(given=True)
        response = JSONAnswer({"seconds": SESSION_SECONDS}, headers=NO_STORE)
        set_cookie(response, request, seal(token, parts.secret_key), SESSION_SECONDS)
        return response

    async def end(request: Request) -> Response:
        response = Response(status_code=204, headers=NO_STORE)
        set_cookie(response, request, "", 0)
        return response

    return [Route("/session", begin, methods=["POST"]), Route("/session/end", end, methods=["POST"])]


def authorization(headers: Headers, key: SecretKey) -> str:
    """The Authorization header; without one, what the session's cookie stands for; "" when there is neither."""
    given = headers.get("authorization", "")
    if given or not is_own_page(headers):
        return given
    sealed = cookie_parser(headers.get("cookie", "")).get(cookie_name(headers.get("host", "")), "")
    token = unseal(sealed, key) if sealed else None
    return f"Bearer {token}" if token else ""


def is_own_page(headers: Headers) -> bool:
    """Whether a browser says that the request comes from a page of ours (its Origin was checked before)."""
    return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


def cookie_name(host: str) -> str:
    """The cookie's name at a Host header's port."""
    port = host.rpartition(":")[2]
    return f"merlin_session_{port}" if port.isdigit() else "merlin_session"


def seal(token: str, key: SecretKey) -> str:
    """The token as a cookie's value."""
    return key.encrypt(_KIND + token).decode()


def unseal(sealed: str, key: SecretKey) -> str | None:
    """The token; ``None`` when the value is too old, or nothing that `seal` made with this key."""
    opened = key.decrypt_fresh(sealed.encode(), most_seconds=SESSION_SECONDS)
    return opened[len(_KIND) :] if opened is not None and opened.startswith(_KIND) else None


def _token_in(body: bytes) -> str:
    """Raises Refused (400): there is none."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    token = content.get("token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token.strip():
        raise Refused(refusal(400, "BAD_REQUEST", 'Send {"token": "…"} as JSON.'))
    return token.strip()
