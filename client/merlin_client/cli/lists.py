"""environments, projects, models, versions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from merlin_client.cli.command import EXIT_CODES_TEXT, merlin
from merlin_client.cli.options import echo_json, echo_table, labels_text, with_server

if TYPE_CHECKING:
    from merlin_client.client import Client


@merlin.command(epilog=EXIT_CODES_TEXT)
@with_server
def projects(client: Client, as_json: bool) -> None:
    """The projects that you are a member of."""
    found = list(client.projects())
    if as_json:
        echo_json([project.facts for project in found])
    else:
        echo_table(
            ("PROJECT", "TEAM", "ROLE", "LABELS"),
            [(p.name, p.team, p.role or "", labels_text(p.labels)) for p in found],
        )


@merlin.command(epilog=EXIT_CODES_TEXT)
@with_server
def environments(client: Client, as_json: bool) -> None:
    """The environments that one can deploy to."""
    found = list(client.environments())
    if as_json:
        echo_json([environment.facts for environment in found])
    else:
        rows = [(e.name, "yes" if e.is_default else "", e.cluster, e.gateway_url) for e in found]
        echo_table(("ENVIRONMENT", "DEFAULT", "CLUSTER", "GATEWAY"), rows)


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("project")
@with_server
def models(client: Client, as_json: bool, project: str) -> None:
    """The models of a project."""
    found = list(client.project(project).models())
    if as_json:
        echo_json([model.facts for model in found])
    else:
        echo_table(("MODEL", "TYPE", "EXPERIMENT"), [(m.path, m.type, m.mlflow_url or "") for m in found])


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path", metavar="PROJECT/MODEL")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, newest first.")
@with_server
def versions(client: Client, as_json: bool, path: str, limit: int) -> None:
    """The versions of a model, newest first."""
    found = list(itertools.islice(client.model(path).versions(limit=limit), limit))
    if as_json:
        echo_json([version.facts for version in found])
        return
    rows = [
        (
            v.path,
            v.state,
            ",".join(v.aliases),
            labels_text(v.labels),
            " ".join(f"{k}={x:.4g}" for k, x in v.metrics.items()),
        )
        for v in found
    ]
    echo_table(("VERSION", "STATE", "ALIASES", "LABELS", "METRICS"), rows)
