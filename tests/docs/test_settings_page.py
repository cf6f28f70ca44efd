"""docs/settings.md and the settings class say the same."""

from __future__ import annotations

import re
from pathlib import Path

from merlin.domain.environment import KEYS, read_environments
from merlin.settings import Settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "settings.md"


def test_every_setting_is_described_with_its_default_and_nothing_else() -> None:
    rows = dict(re.findall(r"^\| `MERLIN_(\w+)` \| (.+?) \|", PAGE.read_text(), re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            assert rows[name.upper()] == ("none" if default is None else f"`{default}`"), name


def test_every_setting_is_described_in_the_words_of_the_class() -> None:
    text = PAGE.read_text()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description in text, name


def test_every_key_of_an_environment_is_described_and_nothing_else() -> None:
    described = re.findall(r"^\| `([a-z_]+)` \| ", PAGE.read_text(), re.MULTILINE)
    assert sorted(described) == sorted(KEYS)


def test_the_environments_file_that_is_shown_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.+?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "environments.yaml"
    path.write_text(shown)
    staging, live = read_environments(path)
    assert (staging.is_default, staging.namespace("fraud"), staging.path_prefix) == (True, "fraud", "/staging")
    assert live.model_url("fraud", "scorer") == "https://scorer--fraud.models.example.org"
    assert (live.limits.max_replicas, live.defaults.min_replicas, live.keep_warm_seconds) == (5, 2, 600)
