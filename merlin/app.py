"""`merlin api`: one process that serves GraphQL, GraphiQL, health and metrics until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging

from merlin.api.parts import open_parts
from merlin.api.server import bind, public_url, serve_until_signal
from merlin.settings import Settings

log = logging.getLogger(__name__)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where there is one: a third less time per request."""
    try:
        import uvloop
    except ImportError:  # it has no wheel for some platforms
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises MerlinError when it cannot start: what is wrong, and what to do."""
    listening = bind(settings)
    try:
        address = public_url(settings, listening)
        async with open_parts(settings, public_url=address) as parts:
            gc.freeze()  # code and schema live as long as the process: collections need not walk them, for 100 ms each
            log.info("the API answers", extra={"address": address})
            await serve_until_signal(parts, listening)
    finally:
        listening.close()
