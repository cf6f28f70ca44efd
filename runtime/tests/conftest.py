"""Fixtures: the models once per session, one server per model and session, and a factory for servers of one test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from merlin_runtime_tests.served import Runtime, build_models, runtime

Start = Callable[..., Runtime]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the test models, shared by all test processes of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return build_models(shared)


@pytest.fixture(scope="session")
def expected(models: Path) -> Any:
    """What MLflow itself answers for the test models."""
    return json.loads((models / "expected.json").read_text())


@pytest.fixture(scope="session")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Runtime]]:
    """A ready server for a test model by its name, one per session; tests leave it as it was."""
    running: dict[str, Runtime] = {}
    with ExitStack() as stack:

        def of(name: str) -> Runtime:
            if name not in running:
                one = stack.enter_context(runtime(models / name, tmp_path_factory.mktemp(name)))
                one.wait_for_model()
                running[name] = one
            return running[name]

        yield of


@pytest.fixture
def start(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a server for this test alone: ``start("iris", SETTING="value")``; a path is taken as it is."""
    with ExitStack() as stack:

        def one(model: str | Path, **environment: str) -> Runtime:
            scratch = tmp_path_factory.mktemp("runtime")
            return stack.enter_context(runtime(models / model, scratch, **environment))

        yield one
