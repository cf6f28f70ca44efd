"""The group of all commands, and how it ends: every error has an exit code of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

import click

from merlin_client.errors import (
    AlreadyExists,
    Conflict,
    DeploymentFailed,
    InputError,
    InputErrors,
    MerlinError,
    ModelNotUnderstood,
    NotAllowed,
    NotConfigured,
    NotFound,
    PermissionDenied,
    PredictionFailed,
    TimedOut,
    Unauthorized,
    Unavailable,
)

EXIT_CODES: list[tuple[tuple[type[MerlinError], ...], int]] = [
    ((InputError, InputErrors, NotConfigured, ModelNotUnderstood), 2),
    ((NotFound,), 3),
    ((Unavailable, Unauthorized, PermissionDenied), 4),
    ((TimedOut,), 5),
    ((NotAllowed, Conflict, AlreadyExists), 6),
]
EXIT_CODES_TEXT = """\b
Exit codes:
  0  done
  1  it failed: the deploy, the prediction, the server
  2  wrong usage, or a value that is refused
  3  no such project, model, version or endpoint
  4  Merlin cannot be reached, or does not let you
  5  it took longer than --timeout, and goes on
  6  the state of the thing forbids it
  130  interrupted; what was asked for goes on"""


class Commands(click.Group):
    """Our commands, then the ones of installed packages. An own command never loads another package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *(name for name in _joined() if name not in self.commands)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return self.commands.get(name) or _joined().get(name)


def _joined() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for entry in entry_points(group="merlin.commands"):
        try:
            found |= {str(command.name): command for command in entry.load()}
        except ImportError as error:  # half a server must not take the user's half down
            click.echo(f"merlin: the commands of {entry.value} cannot be loaded: {error}", err=True)
    return found


@click.group(cls=Commands, epilog=EXIT_CODES_TEXT, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="merlin-client", prog_name="merlin")
def merlin() -> None:
    """Deploy models and look after their endpoints.

    A version is named project/model/number, or project/model/alias. The server is the one that runs here (`merlin up`),
    or the one that --url or MERLIN_URL names; MERLIN_TOKEN holds the token.

    Completion for your shell: eval "$(_MERLIN_COMPLETE=bash_source merlin)", zsh_source or fish_source likewise.
    """


def exit_code(error: MerlinError) -> int:
    """The exit code of an error."""
    return next((code for kinds, code in EXIT_CODES if isinstance(error, kinds)), 1)


def error_shape(error: MerlinError) -> dict[str, Any]:
    """An error for programs."""
    shape: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "path": list(error.path),
    }
    if isinstance(error, InputErrors):
        shape["errors"] = [error_shape(each) for each in error.errors]
    if isinstance(error, DeploymentFailed):
        shape |= {"fix": error.fix, "evidence": error.evidence, "revision": error.revision}
    if isinstance(error, PredictionFailed):
        shape["status"] = error.status
    return shape


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        merlin.main(args=given, prog_name="merlin", standalone_mode=False)
    except MerlinError as error:
        if "--json" in given:
            click.echo(json.dumps({"error": error_shape(error)}, default=str))
        click.echo(f"merlin: {error}", err=True)
        sys.exit(exit_code(error))
    except click.exceptions.Abort:
        click.echo("merlin: interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader, such as head, has enough
        sys.stderr.close()
        sys.exit(0)


from merlin_client.cli import endpoints, lists, predictions  # noqa: E402, F401 they add their commands to the group
