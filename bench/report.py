"""One format for all benchmarks: a JSON list for machines, a table for people.

Each figure says what was to be reached and whether it was, and how others did in the same run on the same machine;
single numbers of one machine mean little elsewhere, ratios travel better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured value. ``reach`` is the promise in words ("" if there is none, then ``met`` is None)."""

    name: str
    value: float
    unit: str
    command: str
    reach: str = ""
    met: bool | None = None
    peers: Mapping[str, float] = field(default_factory=dict)


def write(name: str, figures: Sequence[Figure], folder: Path = RESULTS) -> Path:
    """Write `NAME.json` and print the table; the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    print(table(figures))
    print(f"written to {path}")
    return path


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned columns."""
    rows = [("what", "value", "unit", "reach", "met", "peers")]
    for figure in figures:
        met = "" if figure.met is None else ("yes" if figure.met else "NO")
        peers = ", ".join(f"{name} {shown(value)}" for name, value in figure.peers.items())
        rows.append((figure.name, shown(figure.value), figure.unit, figure.reach, met, peers))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values do not exceed; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


__all__ = ["Figure", "median", "percentile", "shown", "table", "write"]
