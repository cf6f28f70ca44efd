"""The page of benchmarks shows the results that are kept, and names every benchmark there is."""

from __future__ import annotations

import json

import pytest

from bench.__main__ import NAMES
from bench.page import PAGE, with_results
from bench.report import RESULTS

FIELDS = {"name", "value", "unit", "reach", "met", "peers", "command"}


def test_the_page_shows_the_results_that_are_kept() -> None:
    page = PAGE.read_text()
    assert with_results(page) == page, "run `python -m bench page`"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_each_benchmark_measures(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text()


def test_every_result_is_a_list_of_whole_figures() -> None:
    files = sorted(RESULTS.glob("*.json"))
    assert files
    for path in files:
        assert path.stem in NAMES
        assert all(set(figure) == FIELDS for figure in json.loads(path.read_text()))
