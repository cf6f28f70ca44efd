"""What runs behind the API: `run_worker` makes clusters match, `run_watcher` writes down what they do.

Nothing here is imported before it is run: each of the two pays for its own libraries only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merlin.settings import Settings


async def run_worker(settings: Settings) -> None:
    """Relay, reconcile, mirror, resync and prune until SIGTERM or SIGINT. Raises MerlinError when it cannot start."""
    from merlin.workers.worker import run

    await run(settings)


async def run_watcher(settings: Settings) -> None:
    """Watch every environment's cluster until SIGTERM or SIGINT. Raises MerlinError when it cannot start."""
    from merlin.workers.watcher import run

    await run(settings)
