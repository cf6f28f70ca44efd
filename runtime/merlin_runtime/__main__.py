"""`python -m merlin_runtime --model-dir DIR --port N`.

Exit code 0 after a drain, 3 when the model cannot be loaded, 1 for bad settings or a taken port, 2 for bad arguments.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from merlin_runtime import jsonlog
from merlin_runtime.failure import EXIT_CODE, LoadFailure, report
from merlin_runtime.settings import BadSetting, Settings, read_settings

log = logging.getLogger(__name__)


def main() -> NoReturn:
    """Run until SIGTERM or failure; never returns."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
    except BadSetting as error:
        sys.exit(f"merlin_runtime: {error}")
    jsonlog.set_up({"model": settings.model_name, "version": settings.model_version, "revision": settings.revision})
    _leave(_serve(settings))


def _serve(settings: Settings) -> int:
    from merlin_runtime.server import open_port, run  # after the settings, which are checked in milliseconds

    try:
        listener = open_port(settings.host, settings.port)
    except OSError as error:
        log.error(
            "the port cannot be opened", extra={"host": settings.host, "port": settings.port, "reason": str(error)}
        )
        return 1
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings, listener))
    except LoadFailure as failure:
        report(failure)
        return EXIT_CODE
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _leave(code: int) -> NoReturn:
    """End now: what libraries do at exit could follow the failure line, or wait for a model that is stuck."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
