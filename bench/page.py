"""docs/benchmarks.md shows the results that lie in bench/results: `python -m bench page` writes them there."""

from __future__ import annotations

import json
from pathlib import Path

from bench.report import RESULTS, Figure, shown

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by `make bench` -->\n", "<!-- end of results -->\n"


def results(folder: Path = RESULTS) -> str:
    """The results of every benchmark as tables in Markdown."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        rows = [row(Figure(**figure)) for figure in json.loads(path.read_text())]
        head = "| what | value | to reach | reached | peers |\n|---|---|---|---|---|\n"
        parts.append(f"\n### {path.stem}\n{head}{''.join(rows)}")
    return "".join(parts) + "\n"


def row(figure: Figure) -> str:
    """One figure as a line of a table."""
    peers = ", ".join(f"{name} {shown(value)}" for name, value in figure.peers.items())
    met = "" if figure.met is None else "yes" if figure.met else "**no**"
    return f"| {figure.name} | {shown(figure.value)} {figure.unit} | {figure.reach} | {met} | {peers} |\n"


def with_results(page: str) -> str:
    """The page with today's results between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{results()}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the results into the page."""
    PAGE.write_text(with_results(PAGE.read_text()))


if __name__ == "__main__":
    main()
