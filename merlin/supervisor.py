"""The embedded platform in the foreground: every server as an own child, started in order, restarted when it dies.

One data folder holds everything, held by a lock. What an earlier supervisor left running (it was killed) is ended
first, told by pid *and* start time. Ctrl-C stops all of it, last started first, and removes ``addresses.json``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from cryptography.fernet import Fernet

from merlin.embedded import cluster, mlflow, postgres, serving, valkey
from merlin.embedded.home import Home, write_private
from merlin.embedded.ports import Ports
from merlin.embedded.process import Identity, Process, Program, end_left_over, run_once
from merlin.errors import MerlinError

log = logging.getLogger(__name__)

_DEFAULT_PORTS = {"api": 8080, "gateway": 8081, "mlflow": 8082, "cluster": 8083}
_DEADLINE_SECONDS = 120
_DRAIN_SECONDS = 5
_LATE_PAUSE_SECONDS = 5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What `merlin up` was asked for. ``port`` 0 = any free one, ``None`` = the last one, or 8080."""

    home: Path
    port: int | None = None
    kubeconfig: Path | None = None
    models_python: Path = field(default_factory=lambda: default_models_python())
    example: Path | None = None


def default_models_python() -> Path:
    """MERLIN_MODELS_PYTHON, or the ``.venv-models`` beside the Python environment that runs this."""
    given = os.environ.get("MERLIN_MODELS_PYTHON")
    return Path(given) if given else Path(sys.prefix).parent / ".venv-models" / "bin" / "python"


async def run_platform(options: Options, say: Say) -> int:
    """Run until SIGINT or SIGTERM; the exit code. Raises MerlinError when it cannot start: one sentence, what to do.

    Refused before any server was started, it leaves nothing behind that was not there before.
    """
    await _check(options)
    home = Home(options.home)
    home.prepare()
    with home.held():
        stop = _stop_signal()
        platform = Platform(home, options, say)
        try:
            if await _unless_stopped(platform.start(), stop) and await _unless_stopped(platform.show_example(), stop):
                say("Merlin is running. Ctrl-C stops it.")
                await stop.wait()
        finally:
            if platform.is_running:
                say("Stopping …")
            await platform.stop()
            if not platform.has_begun:
                home.forget()
    say("Stopped. Everything is kept; the same command starts it again.")
    return 0


async def _check(options: Options) -> None:
    """What can be refused before anything is written. Raises Misconfigured."""
    mlflow.check_python(options.models_python)
    if options.kubeconfig is not None:
        from merlin.embedded.own_cluster import check_kubeconfig  # who has no such cluster need not pay for the import

        await check_kubeconfig(options.kubeconfig)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Run to the end, or cancel it when the signal comes: false then. The work's own error passes through."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


class Platform:
    """All servers of one data folder. `start` once, `stop` once."""

    def __init__(self, home: Home, options: Options, say: Say) -> None:
        self._home = home
        self._options = options
        self._say = say
        self._ports = Ports()
        self._running: list[Process] = []
        self._late: asyncio.Task[None] | None = None
        self._environment: dict[str, str] = {}
        self._addresses: dict[str, object] = {}
        self.has_begun = False  # whether there may be data: then nothing of the folder may ever be taken away

    @property
    def is_running(self) -> bool:
        """Whether anything of it was started, and not stopped."""
        return bool(self._running)

    async def start(self) -> None:
        """Start everything but MLflow and wait until it is ready; MLflow follows. Raises MerlinError."""
        started = time.monotonic()
        await self._end_left_overs()
        ports = self._choose_ports()
        database, queue, tracking = await self._prepare(ports)
        self.has_begun = True
        local = self._local_cluster(ports)
        self._environment = self._settings(ports, database.url, queue.url, tracking, local)
        self._home.remember("settings", self._environment)
        async with _all_or_first_error() as group:
            group.create_task(self._run_api(database.program, ports["api"]))
            group.create_task(self._run(queue.program))
            if local:
                group.create_task(self._run_cluster(local))
        # Last, since nobody waits for them and on a small machine they would take the processor from who is waited for.
        for role in ("worker", "watcher"):
            await self._run(self._role(role))
        self._late = asyncio.create_task(self._run_late(tracking.program))
        self._write_addresses(ports, tracking, local)
        self._say(f"Ready after {time.monotonic() - started:.1f} s.")
        self._show_addresses()

    async def show_example(self) -> None:
        """Wait for MLflow, then run the example, until it went well once in this data folder."""
        if self._late is not None:
            self._say("Waiting for MLflow …")
            await self._late
        example = self._options.example
        if example is None or self._home.recall("example", {}).get("done"):
            await self._show_what_serves()
            return
        code = await self._run_example(example)
        if code == 0:
            self._home.remember("example", {"done": datetime.now(UTC).isoformat()})
        else:
            self._say(
                f"The example failed ({code}): its output is above, logs are in {self._home.logs}. "
                "It is run again at the next start."
            )

    async def stop(self) -> None:
        """Stop everything, last started first, and remove the addresses. Idempotent."""
        self._home.addresses.unlink(missing_ok=True)
        if self._late is not None:
            self._late.cancel()
            await asyncio.gather(self._late, return_exceptions=True)
        # Who writes to a server stops before it: the group of each tier together, tiers in turn.
        for names in (("api", "worker", "watcher", "mlflow"), ("gateway", "local cluster"), ("valkey", "postgresql")):
            tier = [process for process in self._running if process.program.name in names]
            await asyncio.gather(*(process.stop() for process in tier))
        self._running.clear()
        self._note_children()
        self._ports.close()

    # Starting

    async def _end_left_overs(self) -> None:
        left = [(e["name"], Identity(e["pid"], e["started"])) for e in self._home.recall("processes", [])]
        await asyncio.gather(*(end_left_over(identity, program=name) for name, identity in left))

    def _note_children(self) -> None:
        running = [(process.program.name, process.identity) for process in self._running]
        children = [{"name": name, "pid": i.pid, "started": i.started} for name, i in running if i]
        self._home.remember("processes", children)

    def _choose_ports(self) -> dict[str, int]:
        """Last time's ports where they are free; API and gateway exactly those, since users hold their addresses."""
        wanted = self._options.port
        last = self._home.recall("ports", {})
        known = last or ({} if wanted == 0 else _DEFAULT_PORTS)
        api = known.get("api", _DEFAULT_PORTS["api"]) if wanted is None else wanted
        hint = "Free it, or pass another one (0 = any free one)."
        ports = {"api": self._ports.take(api, name="API, --port", otherwise=hint)}
        for name in ("gateway", "mlflow", "cluster"):
            fixed = "End what holds it: the models' addresses are there." if last and name == "gateway" else None
            ports[name] = self._ports.take(known.get(name, 0), name=name, otherwise=fixed, ours=bool(last))
        self._home.remember("ports", ports)
        return ports

    async def _prepare(self, ports: Mapping[str, int]) -> tuple[postgres.Postgres, valkey.Valkey, mlflow.Mlflow]:
        tracking = mlflow.prepare(self._home, python=self._options.models_python, port=ports["mlflow"])
        queue = valkey.prepare(self._home)
        return await postgres.prepare(self._home), queue, tracking

    def _local_cluster(self, ports: Mapping[str, int]) -> cluster.LocalCluster | None:
        if self._options.kubeconfig is not None:
            return None
        return cluster.prepare(
            self._home,
            models_python=self._options.models_python,
            api_port=ports["cluster"],
            gateway_port=ports["gateway"],
        )

    async def _run(self, program: Program) -> None:
        process = Process(program, on_change=self._note_children)
        self._running.append(process)
        try:
            await process.start()
        except MerlinError:
            self._running.remove(process)  # it has ended
            raise

    async def _run_late(self, program: Program) -> None:
        """Start it while all else runs already: what keeps it from getting ready is said, and it is tried again."""
        while True:
            try:
                return await self._run(program)
            except MerlinError as error:
                self._say(f"{error.message} {error.hint or ''}\nAll else runs on; {program.name} is tried again.")
            await asyncio.sleep(_LATE_PAUSE_SECONDS)

    async def _run_api(self, database: Program, port: int) -> None:
        await self._run(database)
        await self._migrate()
        await self._run(self._api(port))

    async def _run_cluster(self, local: cluster.LocalCluster) -> None:
        await self._run(local.server)
        await self._run(local.gateway)

    def _settings(
        self,
        ports: Mapping[str, int],
        database_url: str,
        redis_url: str,
        tracking: mlflow.Mlflow,
        local: cluster.LocalCluster | None,
    ) -> dict[str, str]:
        """What Merlin's own processes are told, as the environment variables an operator would set."""
        home = self._home
        token = home.secret("admin-token")
        return {
            "MERLIN_DATABASE_URL": database_url,
            "MERLIN_REDIS_URL": redis_url,
            "MERLIN_MLFLOW_URL": tracking.url,
            "MERLIN_MLFLOW_ARTIFACT_MAP": self._artifact_map(tracking),
            "MERLIN_ENVIRONMENTS_FILE": str(self._environments(local)),
            "MERLIN_SECRET_KEY_FILE": str(home.secret("secret-key", make=lambda: Fernet.generate_key().decode())),
            "MERLIN_ADMIN_TOKEN_FILE": str(token),
            "MERLIN_HOST": "127.0.0.1",
            "MERLIN_PORT": str(ports["api"]),
            "MERLIN_PUBLIC_URL": f"http://127.0.0.1:{ports['api']}",
            "MERLIN_DEPLOY_DEADLINE_SECONDS": os.environ.get("MERLIN_DEPLOY_DEADLINE_SECONDS", str(_DEADLINE_SECONDS)),
            "MERLIN_DRAIN_SECONDS": os.environ.get("MERLIN_DRAIN_SECONDS", str(_DRAIN_SECONDS)),
        }

    def _artifact_map(self, tracking: mlflow.Mlflow) -> str:
        """Where pods find artifacts: in the data folder, unless the operator says how a cluster of theirs sees it."""
        own = os.environ.get("MERLIN_MLFLOW_ARTIFACT_MAP") if self._options.kubeconfig else None
        return own or json.dumps(tracking.artifact_map)

    def _environments(self, local: cluster.LocalCluster | None) -> Path:
        """The environments' file: the operator's own if the data folder has one, else the one local environment."""
        path = self._home.config / "environments.yaml"
        own = self._home.folder / "environments.yaml"
        if own.exists():
            return own
        entry: dict[str, object] = {
            "name": "local",
            "default": True,
            "cluster": {"name": "local", "kubeconfig": str(local.kubeconfig if local else self._options.kubeconfig)},
            "namespace_template": "{project}",
            "gateway": {
                "namespace": "merlin-system",
                "name": "merlin",
                "url": _gateway_url(local),
            },
            "url_style": "path",
        }
        write_private(path, yaml.safe_dump([entry], sort_keys=False))
        return path

    async def _migrate(self) -> None:
        await run_once(
            [sys.executable, "-m", "merlin.cli", "migrate"],
            environment=self._environment,
            log_file=self._home.logs / "migrate.log",
            seconds=120,
        )

    def _api(self, port: int) -> Program:
        return self._role("api", ready=functools.partial(_ready, f"http://127.0.0.1:{port}/readyz"), port=port)

    def _role(
        self, role: str, *, ready: Callable[[], Awaitable[bool]] | None = None, port: int | None = None
    ) -> Program:
        return Program(
            name=role,
            command=[sys.executable, "-m", "merlin.cli", role],
            log_file=self._home.logs / f"{role}.log",
            ready=ready or _at_once,
            port=port,
            environment=self._environment,
        )

    # Showing

    def _write_addresses(
        self, ports: Mapping[str, int], tracking: mlflow.Mlflow, local: cluster.LocalCluster | None
    ) -> None:
        base = f"http://127.0.0.1:{ports['api']}"
        kubeconfig = local.kubeconfig if local else self._options.kubeconfig
        self._addresses = {
            "graphql": f"{base}/graphql",
            "graphiql": f"{base}/graphiql",
            "console": f"{base}/",
            "mlflow": tracking.url,
            "gateway": _gateway_url(local),
            "kubeconfig": str(kubeconfig),
            "token": self._home.secret("admin-token").read_text().strip(),
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(),
        }
        write_private(self._home.addresses, json.dumps(self._addresses, indent=1))

    def _show_addresses(self) -> None:
        shown = self._addresses
        self._say(
            "\n".join(
                [
                    f"  console     {shown['console']}?token={shown['token']}",
                    f"  GraphiQL    {shown['graphiql']}?token={shown['token']}",
                    f"  GraphQL     {shown['graphql']}",
                    f"  MLflow      {shown['mlflow']}",
                    f"  gateway     {shown['gateway']}",
                    f"  kubeconfig  {shown['kubeconfig']}",
                    f"  addresses   {self._home.addresses}",
                ]
            )
        )

    async def _show_what_serves(self) -> None:
        for line in await serving.what_serves(str(self._addresses["graphql"]), str(self._addresses["token"])):
            self._say(f"  serves      {line}")

    async def _run_example(self, example: Path) -> int:
        """The example in the terminal, as a user would run it; its exit code."""
        child = await asyncio.create_subprocess_exec(
            str(self._options.models_python),
            str(example),
            env={**os.environ, "MERLIN_HOME": str(self._home.folder), "PYTHONWARNINGS": "ignore"},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends it without a traceback
        )
        try:
            return await child.wait()
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
                await child.wait()


def _gateway_url(local: cluster.LocalCluster | None) -> str:
    """Where the gateway of the one environment that is written here answers."""
    if local is not None:
        return local.gateway_url
    return os.environ.get("MERLIN_GATEWAY_URL") or f"http://127.0.0.1:{_DEFAULT_PORTS['gateway']}"


async def _at_once() -> bool:
    return True  # nobody waits for workers: what they have to do waits for them


async def _ready(url: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@contextlib.asynccontextmanager
async def _all_or_first_error() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first MerlinError comes out as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:  # unpacked: the first error is the one to tell
        raise errors.exceptions[0] from errors
