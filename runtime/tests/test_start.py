"""What is checked before a model is loaded: settings, folder, Python, requirements; and how a failure is told."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from merlin_runtime import settings as settings_module
from merlin_runtime.failure import TERMINATION_LOG_BYTES, LoadFailure, report
from merlin_runtime.folder import read_folder
from merlin_runtime.requirements import check_requirements, conflicts_of, requirement_lines, wanted_python
from merlin_runtime.settings import BadSetting, read_settings

NUMPY = metadata.version("numpy")
MINIMAL = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.11.1\n  sklearn: {}\n"


def a_folder(path: Path, **files: str) -> Path:
    for name, text in {"MLmodel": MINIMAL, **{key.replace("__", "."): text for key, text in files.items()}}.items():
        (path / name).write_text(text)
    return path


def test_settings_come_from_arguments_and_environment() -> None:
    environment = {"MERLIN_MODEL_NAME": "iris", "MERLIN_RUNTIME_HOST": "127.0.0.1", "MERLIN_RUNTIME_BATCHING": "OFF"}
    settings = read_settings(["--model-dir=/m", "--port=1"], environment)
    assert (settings.model_name, settings.host, settings.port, settings.batching) == ("iris", "127.0.0.1", 1, "off")
    assert settings.max_body_bytes == 32 * 1024 * 1024


@pytest.mark.parametrize(
    "variable",
    [
        ("MERLIN_RUNTIME_MAX_BODY_BYTES", "-1"),
        ("MERLIN_RUNTIME_TIMEOUT_SECONDS", "inf"),
        ("MERLIN_RUNTIME_BATCHING", "maybe"),
        ("MERLIN_RUNTIME_LOG_REQUESTS", "perhaps"),
    ],
)
def test_a_bad_setting_is_named(variable: tuple[str, str]) -> None:
    with pytest.raises(BadSetting, match=variable[0]):
        read_settings(["--model-dir=/m"], dict([variable]))


def test_a_folder_says_its_flavour_and_python(tmp_path: Path) -> None:
    folder = read_folder(a_folder(tmp_path))
    assert (folder.flavor, wanted_python(folder)) == ("sklearn", "3.11.1")
    (tmp_path / "conda.yaml").write_text("dependencies:\n- python=3.10.4\n- pip:\n  - numpy==1\n")
    assert (wanted_python(folder), requirement_lines(folder)) == ("3.10.4", ["numpy==1"])
    a_folder(tmp_path, python_env__yaml="python: 3.9.2\n", requirements__txt="scipy")
    assert (wanted_python(folder), requirement_lines(folder)) == ("3.9.2", ["scipy"])


@pytest.mark.parametrize(
    ("mlmodel", "code"),
    [("a: [", "MODEL_LOAD_FAILED"), ("flavors:\n  onnx: {}\n", "MODEL_LOAD_FAILED"), ("3", "MODEL_LOAD_FAILED")],
)
def test_a_broken_mlmodel_file_is_a_failed_load(tmp_path: Path, mlmodel: str, code: str) -> None:
    with pytest.raises(LoadFailure) as failure:
        read_folder(a_folder(tmp_path, MLmodel=mlmodel))
    assert failure.value.code == code


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# a comment",
        f"numpy=={NUMPY}",
        f"NumPy=={NUMPY}  # pinned",
        "numpy>=1 ; python_version >= '3.8'",
        "no-such-package ; sys_platform == 'never'",
        "--extra-index-url=x",
        "./wheels/own.whl",
        f"numpy=={NUMPY} --hash=sha256:00",
    ],
)
def test_a_requirement_that_is_met_or_cannot_be_judged_is_no_conflict(line: str) -> None:
    assert conflicts_of(line) == []


def test_a_requirement_that_is_not_met_says_what_was_found() -> None:
    (wrong,) = conflicts_of("numpy<1")
    (missing,) = conflicts_of("no-such-package[extra]>=2")
    assert (wrong.name, wrong.wanted, wrong.found) == ("numpy", "<1", NUMPY)
    assert (missing.name, missing.wanted, missing.found) == ("no-such-package", ">=2", None)


def test_python_is_judged_by_major_and_minor(tmp_path: Path) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    check_requirements(read_folder(a_folder(tmp_path, python_env__yaml=f"python: {here}.99\n")))
    with pytest.raises(LoadFailure) as failure:
        check_requirements(read_folder(a_folder(tmp_path, python_env__yaml="python: 3.8.18\n")))
    assert failure.value.code == "PYTHON_NOT_AVAILABLE"


def test_a_failure_fits_the_termination_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERMINATION_LOG_PATH", str(tmp_path / "log"))
    report(LoadFailure("MODEL_LOAD_FAILED", "m" * 9000, {"log": "x" * 90000, "conflicts": ["c"] * 5000}))
    text = (tmp_path / "log").read_text()
    assert len(text.encode()) <= TERMINATION_LOG_BYTES
    assert json.loads(text)["code"] == "MODEL_LOAD_FAILED"
    assert capfd.readouterr().err == f"MERLIN_FAILURE {text}\n"


def test_every_setting_is_in_the_readme() -> None:
    package = Path(settings_module.__file__)
    names = set(re.findall(r"MERLIN_[A-Z_]+|TERMINATION_LOG_PATH", package.read_text()))
    readme = (package.parent.parent / "README.md").read_text()
    assert {name for name in names if name not in readme} == set()
    assert len(names) > 10
