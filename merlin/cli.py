"""The server's half of the command `merlin`: up, api, worker, watcher, migrate, schema, doctor, token.

`merlin-client` owns the command and joins these through the entry point ``merlin.commands``. Each command imports what
it runs when it is run: `merlin --help` and the supervisor must not pay for Strawberry and Kubernetes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merlin.errors import InvalidInput, MerlinError, NotAllowed, NotFound, Unavailable

if TYPE_CHECKING:
    from merlin.db.tokens import IssuedToken, TokenRecord

CANNOT_START = 1


def _run(work: Callable[[], Coroutine[Any, Any, int | None]], *, loop: Callable[[], Any] | None = None) -> None:
    """Run to the end and exit with its code; an expected error is one line on stderr, with what to do."""
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            sys.exit(runner.run(work()) or 0)
    except MerlinError as error:
        _say(error)
        sys.exit(CANNOT_START)


def _say(error: MerlinError) -> None:
    hint = f" {error.hint}" if error.hint else ""
    click.echo(f"merlin: {error.message}{hint}", err=True)


def _warn_in_words() -> None:
    """The supervisor's warnings, each as a line that names the program it is about."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("merlin: %(program)s %(message)s", defaults={"program": ""}))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _log_to_stderr(level: str) -> None:
    from merlin.logs import configure_logs

    configure_logs(level)


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), default=Path(".merlin"), show_default=True, help="Data folder."
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the API; 0 takes any free one. [default: 8080]")
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Use this cluster.")
@click.option(
    "--models-python", type=click.Path(path_type=Path), help="Python that has MLflow and the models' packages."
)
@click.option("--example", type=click.Path(exists=True, path_type=Path), help="Script to run once, when all is ready.")
@click.option("--empty", is_flag=True, help="Start without the example.")
def up(
    home: Path,
    port: int | None,
    kubeconfig: Path | None,
    models_python: Path | None,
    example: Path | None,
    empty: bool,
) -> None:
    """Run the whole platform here, in the foreground, with its data in one folder. Ctrl-C stops it."""
    from merlin.supervisor import Options, default_models_python, run_platform

    _warn_in_words()
    options = Options(
        home=home,
        port=port,
        kubeconfig=kubeconfig,
        models_python=models_python or default_models_python(),
        example=None if empty else example,
    )
    _run(lambda: run_platform(options, click.echo))


@click.command()
def api() -> None:
    """Serve GraphQL, GraphiQL, health and metrics (settings: docs/settings.md)."""
    from merlin.app import new_event_loop

    _run(_api, loop=new_event_loop)


async def _api() -> None:
    from merlin.app import serve
    from merlin.settings import read_settings

    settings = read_settings()
    _log_to_stderr(settings.log_level)
    await serve(settings)


@click.command()
def worker() -> None:
    """Carry out what was asked for: relay, reconcile, resync, prune."""
    _run(_worker)


async def _worker() -> None:
    from merlin.settings import read_settings
    from merlin.workers import run_worker

    settings = read_settings()
    _log_to_stderr(settings.log_level)
    await run_worker(settings)


@click.command()
def watcher() -> None:
    """Watch the clusters and write down what they really do. One is active, others stand by."""
    _run(_watcher)


async def _watcher() -> None:
    from merlin.settings import read_settings
    from merlin.workers import run_watcher

    settings = read_settings()
    _log_to_stderr(settings.log_level)
    await run_watcher(settings)


@click.command()
def migrate() -> None:
    """Bring the database's schema up to this version. Safe to run twice, or from several places at once."""
    _run(_migrate)


async def _migrate() -> None:
    from merlin.db.migrate import migrate as bring_up_to_date
    from merlin.settings import read_settings

    settings = read_settings()
    await bring_up_to_date(settings.database_direct_url or settings.database_url)
    click.echo("The schema is up to date.")


@click.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from merlin.schema import print_sdl

    click.echo(print_sdl(), nl=False)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Examine the embedded platform of this data folder. [default: MERLIN_… settings, or the platform here]",
)
def doctor(as_json: bool, home: Path | None) -> None:
    """Check database, queue, MLflow and every environment's cluster, and say how to mend what is wrong.

    Exits with 0 when all is well, 1 when something is wrong, 4 when the platform is stopped.
    """
    sys.exit(_on_settings(home, as_json, lambda: _doctor(as_json)))


def _home_here() -> Path | None:
    """The data folder to examine where nothing else is said: as the user's commands find it, here or above."""
    if "MERLIN_DATABASE_URL" in os.environ:
        return None
    told = os.environ.get("MERLIN_HOME")
    here = Path.cwd()
    folders = [Path(told)] if told else [folder / ".merlin" for folder in (here, *here.parents)]
    return next((folder for folder in folders if folder.is_dir()), Path(told or ".merlin"))


def _settings_of(home: Path) -> dict[str, str]:
    from merlin.embedded.home import Home

    folder = Home(home)
    settings = folder.recall("settings", None)
    if not isinstance(settings, dict) or not folder.addresses.exists():
        raise click.ClickException(f"No platform runs in {home}. Start one: merlin up --home {home}")
    return {str(key): str(value) for key, value in settings.items()}


async def _doctor(as_json: bool) -> int:
    from merlin.doctor import examine
    from merlin.settings import read_settings

    findings = await examine(read_settings())
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=1))
    else:
        for finding in findings:
            click.echo(finding.line())
    return 0 if all(finding.well for finding in findings) else 1


@click.group()
def token() -> None:
    """Let others in: issue API tokens, list and revoke them.

    Works on the database that MERLIN_… settings name; without those, on the platform that runs here.
    """


def _with_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --home and --json."""
    command = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Data folder of a platform that runs. [default: MERLIN_… settings, or the platform here]",
    )(command)


@token.command()
@click.argument("subject")
@click.option(
    "--scope",
    type=click.Choice(["user", "admin"]),
    default="user",
    show_default=True,
    help="user: what its projects let it; admin: everything, everywhere.",
)
@click.option("--expires-days", type=int, metavar="N", help="For how many days it is good. [default: until revoked]")
@_with_database
def create(subject: str, scope: str, expires_days: int | None, home: Path | None, as_json: bool) -> None:
    """Issue a token for SUBJECT, a person or a program as projects name their members. It is shown once."""
    from merlin.db.tokens import issue_token

    issued: IssuedToken = _on_database(
        home, as_json, lambda: issue_token(subject, scope=scope, expires_days=expires_days)
    )
    if as_json:
        click.echo(json.dumps({"token": issued.token, **_as_json(issued.record)}))
        return
    click.echo(issued.token)
    good = f"until {_day(issued.record)}" if expires_days else "until it is revoked"
    click.echo(f"{subject}'s, {scope}, good {good}. It is not shown again; its id is {issued.record.id}.", err=True)


@token.command("list")
@_with_database
def list_(home: Path | None, as_json: bool) -> None:
    """Whom tokens were issued for, with the ids to revoke them by; never the tokens."""
    from merlin.db.tokens import list_tokens

    records: list[TokenRecord] = _on_database(home, as_json, list_tokens)
    if as_json:
        click.echo(json.dumps([_as_json(record) for record in records], indent=1))
        return
    _echo_table(
        [
            ("ID", "SUBJECT", "SCOPE", "CREATED", "EXPIRES"),
            *((str(r.id), r.subject, r.scope, f"{r.created_at:%Y-%m-%d}", _day(r)) for r in records),
        ]
    )


@token.command()
@click.argument("token_id", metavar="ID", required=False)
@click.option("--subject", help="Revoke all that were issued for this one.")
@_with_database
def revoke(token_id: str | None, subject: str | None, home: Path | None, as_json: bool) -> None:
    """Refuse the token with that ID (see `merlin token list`) from now on, or all of a subject."""
    from merlin.db.tokens import revoke_token, revoke_tokens_of

    if (token_id is None) == (subject is None):
        raise click.UsageError("Give either an ID or --subject.")

    async def work() -> list[TokenRecord]:
        return [await revoke_token(token_id)] if token_id is not None else await revoke_tokens_of(subject or "")

    records: list[TokenRecord] = _on_database(home, as_json, work)
    if as_json:
        click.echo(json.dumps({"revoked": [_as_json(record) for record in records]}))
        return
    for record in records:
        click.echo(f"Revoked {record.id}, {record.subject}'s.")


def _on_database(home: Path | None, as_json: bool, work: Callable[[], Awaitable[Any]]) -> Any:
    """What the work answers with the database open, else as `_on_settings`."""
    return _on_settings(home, as_json, lambda: _with_database_open(work))


def _on_settings(home: Path | None, as_json: bool, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What the work answers with the settings of a data folder in place, or of the platform here where none are given.

    An expected error ends the process with the code of docs/cli.md; it is one line on stderr, with ``as_json`` it is
    JSON on stdout, too.
    """
    try:
        if (home := home or _home_here()) is not None:
            os.environ.update(_settings_of(home))
        return asyncio.run(work())
    except (MerlinError, click.ClickException) as found:
        error = Unavailable(found.message) if isinstance(found, click.ClickException) else found
        if as_json:
            shape = {"code": error.code, "message": error.message, "hint": error.hint, "path": list(error.path)}
            click.echo(json.dumps({"error": shape}))
        _say(error)
        sys.exit(next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), CANNOT_START))


_EXIT_CODES: dict[type[MerlinError], int] = {InvalidInput: 2, NotFound: 3, Unavailable: 4, NotAllowed: 6}


async def _with_database_open(work: Callable[[], Awaitable[Any]]) -> Any:
    from merlin.db.connection import open_database
    from merlin.db.migrate import check_schema
    from merlin.settings import read_settings

    settings = read_settings()
    direct = settings.database_direct_url or settings.database_url
    await check_schema(direct)
    async with open_database(settings.database_url, direct_url=direct, pool_size=2):
        return await work()


def _as_json(record: TokenRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "subject": record.subject,
        "scope": record.scope,
        "createdAt": record.created_at.isoformat(),
        "expiresAt": record.expires_at.isoformat() if record.expires_at else None,
        "expired": record.has_expired,
        "fromFile": record.from_file,
    }


def _day(record: TokenRecord) -> str:
    """When its time is over, for people."""
    if record.from_file:
        return "with MERLIN_ADMIN_TOKEN_FILE"
    if record.expires_at is None:
        return "never"
    return f"{record.expires_at:%Y-%m-%d}" + (" (expired)" if record.has_expired else "")


def _echo_table(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


commands: list[click.Command] = [up, api, worker, watcher, migrate, schema, doctor, token]


def main() -> None:
    """The server's commands alone, as the supervisor starts them: ``python -m merlin.cli NAME``."""
    group = click.Group(name="merlin", commands={str(command.name): command for command in commands})
    group()


if __name__ == "__main__":
    main()
