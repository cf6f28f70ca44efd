"""deploy, set-serving, stop-serving, status, history, logs, rollback, cancel, undeploy."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from merlin_client.cli.command import EXIT_CODES_TEXT, merlin
from merlin_client.cli.options import (
    echo_json,
    echo_table,
    environment_option,
    no_wait_option,
    the_endpoint,
    the_model_endpoint,
    the_version,
    timeout_option,
    with_server,
)
from merlin_client.deploy_settings import CLEARABLE
from merlin_client.errors import InputError, log_lines

if TYPE_CHECKING:
    from merlin_client.client import Client
    from merlin_client.model_endpoint import ModelEndpoint
    from merlin_client.version_endpoint import VersionEndpoint


_LOG_LINES = 10


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@click.option("--cpu", help="CPU to ask for, such as 500m.")
@click.option("--memory", help="Memory to ask for, such as 512Mi.")
@click.option("--cpu-limit", help="CPU it may use at most.")
@click.option("--memory-limit", help="Memory it may use at most.")
@click.option("--min-replicas", type=int, help="Fewest pods.")
@click.option("--max-replicas", type=int, help="Most pods.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Environment variable; repeatable. Those given replace all earlier ones.",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME=SECRET",
    help="Variable from a secret; repeatable. Those given replace all earlier ones.",
)
@click.option(
    "--clear",
    "clear",
    multiple=True,
    metavar="FIELD",
    type=click.Choice(CLEARABLE, case_sensitive=False),
    help=f"Empty what was set before; repeatable. One of {', '.join(CLEARABLE)}.",
)
@click.option("--comment", help="Why; kept in the history.")
@timeout_option
@no_wait_option
@with_server
def deploy(
    client: Client, as_json: bool, path: str, environment: str | None, timeout: float | None, no_wait: bool,
    cpu: str | None, memory: str | None, cpu_limit: str | None, memory_limit: str | None,
    variables: tuple[str, ...], secrets: tuple[str, ...], clear: tuple[str, ...], **settings: Any,
) -> None:  # fmt: skip
    """Make a version run and wait until it does.

    What is not given keeps its value of the revision that was last wished for and still is: the one that runs, or the
    one on its way. Deploying without any change restarts the version: a new revision, with new pods.
    """
    _say_how_to_stop(path)
    resources = {"cpu": cpu, "memory": memory, "cpu_limit": cpu_limit, "memory_limit": memory_limit}
    endpoint = the_version(client, path).deploy(
        environment,
        wait=not no_wait,
        timeout=timeout,
        resources={name: value for name, value in resources.items() if value is not None} or None,
        variables=_assigned(variables, "--variable") or None,
        secrets=_assigned(secrets, "--secret") or None,
        clear=list(clear) or None,
        **settings,
    )
    _echo_deployed(endpoint, as_json, accepted=no_wait)


@merlin.command("set-serving", epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@timeout_option
@no_wait_option
@with_server
def set_serving(
    client: Client, as_json: bool, path: str, environment: str | None, timeout: float | None, no_wait: bool
) -> None:
    """Send all of the model's traffic to a version that runs."""
    _say_how_to_stop(None)
    endpoint = the_endpoint(client, path, environment)
    _echo_model_endpoint(endpoint.serve(wait=not no_wait, timeout=timeout), as_json)


@merlin.command("stop-serving", epilog=EXIT_CODES_TEXT)
@click.argument("path", metavar="PROJECT/MODEL")
@environment_option
@timeout_option
@no_wait_option
@with_server
def stop_serving(
    client: Client, as_json: bool, path: str, environment: str | None, timeout: float | None, no_wait: bool
) -> None:
    """Serve no version of a model any more."""
    _say_how_to_stop(None)
    endpoint = the_model_endpoint(client, path, environment)
    if endpoint.status == "STOPPED" and not endpoint.progressing:
        _note(f"{path} serves nothing already; there is nothing to do.", as_json)
    else:
        endpoint = endpoint.stop(wait=not no_wait, timeout=timeout)
    _echo_model_endpoint(endpoint, as_json)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@click.option("--watch", "-w", is_flag=True, help="Go on with a line for each change, until you stop it.")
@with_server
def status(client: Client, as_json: bool, path: str, environment: str | None, watch: bool) -> None:
    """What a version's endpoint (project/model/version), or a model's (project/model), does."""
    if path.count("/") == 1:
        model_endpoint = the_model_endpoint(client, path, environment)
        for seen in model_endpoint.watch() if watch else [model_endpoint]:
            _echo_model_endpoint(seen, as_json)
        return
    endpoint = the_endpoint(client, path, environment)
    for now in endpoint.watch() if watch else [endpoint]:
        _echo_status(now, as_json, brief=watch)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@with_server
def history(client: Client, as_json: bool, path: str, environment: str | None) -> None:
    """All revisions of a version's endpoint, newest first."""
    revisions = the_endpoint(client, path, environment).history()
    if as_json:
        echo_json([revision.facts for revision in revisions])
        return
    rows = [
        (
            r.number,
            r.status,
            r.cause,
            r.created_by,
            _moment(r.created_at),
            r.failure.message if r.failure else r.comment,
        )
        for r in revisions
    ]
    echo_table(("REVISION", "STATUS", "CAUSE", "BY", "AT", "WHAT"), rows)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@click.option("--follow", "-f", is_flag=True, help="Go on with each new line, until you stop it.")
@click.option("--tail", type=click.IntRange(0), default=100, show_default=True, help="How many lines of the past.")
@click.option("--pod", help="Of this pod only.")
@with_server
def logs(
    client: Client, as_json: bool, path: str, environment: str | None, follow: bool, tail: int, pod: str | None
) -> None:
    """What a version's pods write."""
    endpoint, is_silent = the_endpoint(client, path, environment), True
    for line in endpoint.logs(follow=follow, tail=tail, pod=pod):
        is_silent = False
        if as_json:
            echo_json({"at": line.at, "pod": line.pod, "container": line.container, "text": line.text})
        else:
            click.echo(line.text)
    if is_silent:
        _echo_kept_log(endpoint, as_json)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@click.option("--to", "to_revision", type=int, help="Revision to go back to. [default: the one before]")
@click.option("--comment", help="Why; kept in the history.")
@timeout_option
@no_wait_option
@with_server
def rollback(
    client: Client, as_json: bool, path: str, environment: str | None, to_revision: int | None, comment: str | None,
    timeout: float | None, no_wait: bool,
) -> None:  # fmt: skip
    """Bring an earlier revision's settings of a version's endpoint back.

    After a restart (a deploy without a change) the revision before is an identical one: name the one you want (--to).
    """
    _say_how_to_stop(path)
    endpoint = the_endpoint(client, path, environment)
    endpoint = endpoint.rollback(to_revision, comment=comment, wait=not no_wait, timeout=timeout)
    _echo_deployed(endpoint, as_json, accepted=no_wait)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@with_server
def cancel(client: Client, as_json: bool, path: str, environment: str | None) -> None:
    """Cancel the deploy of a version that is on its way; what ran before still runs."""
    endpoint = the_endpoint(client, path, environment)
    number = endpoint.target_revision
    endpoint.cancel()
    _note(f"The deploy of {endpoint.path} in {endpoint.environment_name} (revision {number}) is cancelled.", as_json)
    _echo_endpoint(endpoint, as_json)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@environment_option
@timeout_option
@no_wait_option
@with_server
def undeploy(
    client: Client, as_json: bool, path: str, environment: str | None, timeout: float | None, no_wait: bool
) -> None:
    """Stop a version. Refused while its model's traffic goes to it."""
    _say_how_to_stop(None)
    endpoint = the_endpoint(client, path, environment)
    _echo_endpoint(endpoint.undeploy(wait=not no_wait, timeout=timeout), as_json)


def _assigned(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"{pair!r} is not NAME=VALUE.", path=[option])
        found[name] = value
    return found


def _say_how_to_stop(path: str | None) -> None:
    """What Ctrl-C tells of what goes on; nothing where there is no way to stop it."""
    from merlin_client.waiting import way_out

    way_out.set(f"`merlin cancel {path}` or `merlin undeploy {path}` stops it." if path else "")


def _note(text: str, as_json: bool) -> None:
    """A sentence for people, beside the answer."""
    if not as_json:
        click.echo(text, err=True)


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().isoformat(sep=" ", timespec="seconds")


def _echo_kept_log(endpoint: VersionEndpoint, as_json: bool) -> None:
    """What is left to show where no pod has a log: the lines that were kept with the failure."""
    failure = endpoint.failure
    kept = log_lines(failure.evidence) if failure else []
    if not kept or failure is None:
        _note(f"No pod of {endpoint.path} has written anything (it is {endpoint.lifecycle}).", as_json)
        return
    pod = failure.evidence.get("pod")
    _note(f"The pods are gone. What was kept of {pod or 'them'} when it failed ({failure.code}):", as_json)
    for text in kept:
        if as_json:
            echo_json({"at": None, "pod": pod, "container": failure.evidence.get("container"), "text": text})
        else:
            click.echo(text)


def _echo_deployed(endpoint: VersionEndpoint, as_json: bool, *, accepted: bool) -> None:
    if accepted:
        _note(f"Accepted: revision {endpoint.target_revision}. `merlin status {endpoint.path}` tells of it.", as_json)
    _echo_endpoint(endpoint, as_json)


def _echo_endpoint(endpoint: VersionEndpoint, as_json: bool) -> None:
    if as_json:
        echo_json(endpoint.facts)
    else:
        click.echo(f"{endpoint.path} is {endpoint.lifecycle} in {endpoint.environment_name}: {endpoint.url}")


def _echo_model_endpoint(endpoint: ModelEndpoint, as_json: bool) -> None:
    if as_json:
        echo_json(endpoint.facts)
        return
    shares = ", ".join(f"version {number} {weight} %" for number, weight in endpoint.traffic.items())
    moving = ", moving" if endpoint.progressing else ""
    click.echo(f"{endpoint.path} is {endpoint.status}{moving} ({shares or 'no traffic'}): {endpoint.url}")


def _echo_status(endpoint: VersionEndpoint, as_json: bool, *, brief: bool) -> None:
    if as_json:
        echo_json(endpoint.facts)
    elif brief:
        state = endpoint.lifecycle + (", progressing" if endpoint.progressing else "")
        click.echo(f"{endpoint.updated_at:%H:%M:%S}  {state:<22} {endpoint.message}".rstrip())
    else:
        _echo_details(endpoint)


def _echo_details(endpoint: VersionEndpoint) -> None:
    rows = {
        "endpoint": f"{endpoint.path} in {endpoint.environment_name}",
        "state": endpoint.lifecycle + (", progressing" if endpoint.progressing else ""),
        "healthy": "yes" if endpoint.healthy else "no",
        "revision": endpoint.active_revision or "none",
        "traffic": f"{endpoint.serving_weight} %",
        "address": endpoint.url,
    }
    failure = endpoint.failure
    if endpoint.message and (failure is None or endpoint.message != failure.message):
        rows["message"] = endpoint.message
    if failure is not None:
        rows |= {"failure": f"{failure.code}{_of_revision(endpoint)}: {failure.message}", "what to do": failure.fix}
    for name, value in rows.items():
        click.echo(f"{name:<11}{value}".rstrip())
    if failure is not None and (kept := log_lines(failure.evidence)):
        click.echo("its log's last lines:")
        for line in kept[-_LOG_LINES:]:
            click.echo(f"  | {line}")


def _of_revision(endpoint: VersionEndpoint) -> str:
    """Which revision failed, where it was one, and which one runs on."""
    failed = next((r for r in endpoint.history() if r.failure == endpoint.failure), None)
    if failed is None:
        return ""
    runs = endpoint.active_revision
    return f" (revision {failed.number} failed" + (f"; revision {runs} runs on)" if runs else ")")
