"""The process's life: port open, model loaded, requests served, drained, gone.

The port opens before anything heavy is imported, so that liveness is answered during the load. SIGTERM and SIGINT
turn readiness off at once; what is in flight is finished, up to a deadline; the exit code is then 0.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any

import uvicorn

from merlin_runtime.app import Application
from merlin_runtime.failure import LoadFailure
from merlin_runtime.loading import load
from merlin_runtime.predictor import Predictor
from merlin_runtime.settings import Settings

log = logging.getLogger(__name__)

# After SIGTERM callers may still be sent here until everybody has heard of it: they are answered.
LINGER_SECONDS = 0.25
# A thread that computes gives way to the event loop after this long (Python's own 5 ms would delay health checks).
SWITCH_SECONDS = 0.001
# Longer than any gateway keeps idle connections, so that never we close one which a request is travelling on.
KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """uvicorn, with the end of the process in our hands."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in a signal handler; uvicorn's own would close the port at once and raise the signal again."""
        self._loop.call_soon_threadsafe(self._stop.set)


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY: else the body of an answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


async def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop. Raises LoadFailure when the model cannot be loaded."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = Application(settings)
    stop = asyncio.Event()
    server = Server(_config(app, settings), stop)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    loading = _start_loading(settings)
    stopping = asyncio.create_task(stop.wait())
    log.info("listening", extra={"port": listener.getsockname()[1]})
    everything: set[asyncio.Future[Any]] = {loading, stopping, serving}
    await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        app.serve(loading.result())
        log.info("ready")
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        raise RuntimeError("the HTTP server ended by itself") from serving.exception()
    await _drain(app, settings.drain_seconds)
    server.should_exit = True
    await asyncio.wait({serving}, timeout=2)


def _start_loading(settings: Settings) -> asyncio.Future[Predictor]:
    """The model to come. Its thread is a daemon: a process told to stop does not wait for a load, as for a pool's."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[Predictor] = loop.create_future()

    def tell(model: Predictor | None, failure: LoadFailure | None) -> None:
        if failure is not None:
            loaded.set_exception(failure)
        elif model is not None:
            loaded.set_result(model)

    def work() -> None:
        try:
            model = load(settings.model_dir, check=settings.check_requirements)
        except LoadFailure as failure:
            loop.call_soon_threadsafe(tell, None, failure)
        else:
            # What was loaded stays; the collector need not walk through it again and again while requests wait.
            gc.collect()
            gc.freeze()
            loop.call_soon_threadsafe(tell, model, None)

    threading.Thread(target=work, name="load", daemon=True).start()
    return loaded


async def _drain(app: Application, seconds: float) -> None:
    app.drain()
    log.info("draining", extra={"in_flight": app.in_flight})
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        if app.in_flight == 0 and passed >= LINGER_SECONDS:
            break
        await asyncio.sleep(0.02)
    log.info("drained", extra={"unfinished": app.in_flight, "seconds": round(time.monotonic() - started, 3)})


def _config(app: Application, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="none",  # the loop runs already
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,  # ours is over by then
    )
