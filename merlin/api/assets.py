"""Files of built pages: scripts and styles, compressed at build time, kept for ever where their names allow it."""

from __future__ import annotations

import mimetypes
import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

_FOR_EVER = "public, max-age=31536000, immutable"
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.\w+")
# Named, and not with a weight of nothing (RFC 9110, 12.5.3).
_GZIP = re.compile(r"(^|[\s,])gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))|,|$)")


class Assets(StaticFiles):
    """A folder's files; ``NAME.gz`` beside a file (ui/compress.mjs) is sent for it to whoever accepts gzip."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""
        path = self.get_path(scope)
        response = await self._smallest(path, scope)
        response.headers["cache-control"] = _FOR_EVER if _HASHED.search(path) else "no-cache"
        response.headers["vary"] = "Accept-Encoding"
        await response(scope, receive, send)

    async def _smallest(self, path: str, scope: Scope) -> Response:
        if _GZIP.search(Headers(scope=scope).get("accept-encoding", "")):
            try:
                response = await self.get_response(f"{path}.gz", scope)
            except HTTPException as error:
                if error.status_code != 404:
                    raise
            else:
                response.headers["content-encoding"] = "gzip"
                response.headers["content-type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
                return response
        return await self.get_response(path, scope)
