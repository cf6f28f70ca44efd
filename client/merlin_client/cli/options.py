"""What every command has in common: which server, how to answer, and the path of what it is about."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merlin_client.errors import InputError, NotFound

if TYPE_CHECKING:
    from merlin_client.client import Client
    from merlin_client.model_endpoint import ModelEndpoint
    from merlin_client.version import Version
    from merlin_client.version_endpoint import VersionEndpoint

Command = TypeVar("Command", bound=Callable[..., Any])


def with_server(command: Command) -> Command:
    """Adds --url, --token, --home and --json; the command gets ``client`` and ``as_json``."""

    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @click.option("--home", type=click.Path(path_type=Path), help="Data folder of a platform that runs here.")
    @click.option("--token", help="Token; better in MERLIN_TOKEN, where others do not see it.")
    @click.option("--url", help="Merlin's address. [default: MERLIN_URL, or the platform that runs here]")
    @functools.wraps(command)
    def wrapped(*, url: str | None, token: str | None, home: Path | None, **arguments: Any) -> Any:
        from merlin_client.client import Client

        return command(client=Client(url, token, home=home), **arguments)

    return wrapped  # type: ignore[return-value]


environment_option = click.option("--environment", "-e", help="Where. [default: the default environment]")
timeout_option = click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait; then it goes on alone.")
no_wait_option = click.option("--no-wait", is_flag=True, help="Ask for it and return at once.")


def the_version(client: Client, path: str) -> Version:
    """The version at project/model/version. Raises InputError for another form, NotFound."""
    if path.count("/") != 2 or not all(path.split("/")):
        raise InputError(
            f"{path!r} does not name a version.",
            path=["PATH"],
            hint="Write project/model/number or project/model/alias.",
        )
    return client.version(path)


def the_endpoint(client: Client, path: str, environment: str | None) -> VersionEndpoint:
    """The endpoint of a version. Raises NotFound when it was never deployed there, or there is no such environment."""
    version = the_version(client, path)
    endpoint = version.endpoint(environment)
    if endpoint is None:
        client.environment(environment)
        raise NotFound(f"{version.path} was never deployed there.", hint=f"Deploy it: merlin deploy {version.path}")
    return endpoint


def the_model_endpoint(client: Client, path: str, environment: str | None) -> ModelEndpoint:
    """The endpoint of a model. Raises InputError for another form, NotFound as `the_endpoint` does."""
    if path.count("/") != 1:
        raise InputError(f"{path!r} does not name a model.", path=["PATH"], hint="Write project/model.")
    endpoint = client.model(path).endpoint(environment)
    if endpoint is None:
        client.environment(environment)
        raise NotFound(f"{path} never served anything there.", hint=f"merlin set-serving {path}/VERSION")
    return endpoint


def echo_json(value: Any) -> None:
    """One JSON document on a line of its own."""
    click.echo(json.dumps(value, default=str))
    sys.stdout.flush()


def echo_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Columns, aligned; nothing but the head when there are no rows."""
    lines = [[str(cell) for cell in row] for row in [list(head), *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def labels_text(labels: Mapping[str, str]) -> str:
    """key=value, key=value."""
    return ",".join(f"{key}={value}" for key, value in labels.items())
