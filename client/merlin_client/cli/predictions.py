"""predict: ask an endpoint with JSON or CSV from a file or from stdin."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import click

from merlin_client.cli.command import EXIT_CODES_TEXT, merlin
from merlin_client.cli.options import environment_option, the_endpoint, the_model_endpoint, with_server
from merlin_client.errors import InputError

if TYPE_CHECKING:
    from merlin_client.client import Client


@merlin.command(epilog=EXIT_CODES_TEXT)
@click.argument("path")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@environment_option
@click.option("--format", "form", type=click.Choice(["json", "csv"]), help="What the file holds. [default: looked at]")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait.")
@with_server
def predict(
    client: Client, as_json: bool, path: str, file: Any, environment: str | None, form: str | None, timeout: float
) -> None:
    """Ask a version (project/model/version) or whatever a model serves (project/model) for predictions.

    FILE (or stdin) holds JSON: records, rows, columns or a V2 request; or CSV whose first line names the columns.
    """
    data = read_data(file.read(), form)
    if path.count("/") == 1:
        answer = the_model_endpoint(client, path, environment).predict(data, timeout=timeout)
    else:
        answer = the_endpoint(client, path, environment).predict(data, timeout=timeout)
    if as_json or not isinstance(answer, list):
        click.echo(json.dumps(answer))
    else:
        for row in answer:
            click.echo(row if isinstance(row, str) else json.dumps(row))


def read_data(text: str, form: str | None = None) -> Any:
    """The data that a text holds. Raises InputError."""
    form = form or ("json" if text.lstrip()[:1] in ("{", "[") else "csv")
    if form == "csv":
        return _columns(text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"That is no JSON: {error}.", path=["FILE"]) from error


def _columns(text: str) -> dict[str, list[Any]]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if len(rows) < 2:
        raise InputError("A CSV needs a line with the columns' names and at least one row.", path=["FILE"])
    names, values = rows[0], rows[1:]
    uneven = [number for number, row in enumerate(values, 2) if len(row) != len(names)]
    if uneven:
        raise InputError(
            f"Line {uneven[0]} has {len(values[uneven[0] - 2])} values, the first has {len(names)}.", path=["FILE"]
        )
    return {name.strip(): _column([row[i] for row in values]) for i, name in enumerate(names)}


def _column(cells: list[str]) -> list[Any]:
    """Whole numbers, else numbers (an empty cell is a missing one), else text."""
    for kind in (int, float):
        try:
            return [None if kind is float and not cell.strip() else kind(cell) for cell in cells]
        except ValueError:
            continue
    return list(cells)
