"""What docs/operations.md tells to install in a cluster is what the embedded one has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from merlin.localcluster.controllers.defaults import _runtime

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text()


def block(language: str) -> str:
    """The page's only block of that language."""
    (shown,) = re.findall(rf"^```{language}\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(shown)


def test_the_runtime_is_that_of_the_embedded_cluster_but_for_its_image() -> None:
    shown: dict[str, Any] = yaml.safe_load(block("yaml"))
    installed = _runtime("1")
    (container,) = shown["spec"]["containers"]
    assert f"-t {container['image']} ." in PAGE
    container["image"] = installed["spec"]["containers"][0]["image"]
    assert shown == installed


def test_the_image_is_made_of_what_is_there() -> None:
    copied = dict(re.findall(r"^COPY (\S+) (\S+)$", block("dockerfile"), re.MULTILINE))
    assert [source for source in copied if not (ROOT / source).exists()] == []
    installed = re.findall(r"^RUN pip install .* (\S+)$", block("dockerfile"), re.MULTILINE)
    assert list(copied.values()) == installed
