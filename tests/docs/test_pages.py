"""What README and docs tell people to type exists, and what they point at is there."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from merlin_client.cli import group

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:make|merlin) [^`…]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """The commands that a page shows, in blocks of shell and in running text, split into words."""
    text = page.read_text()
    lines = [line for block in BLOCK.findall(text) for line in whole_lines(block)]
    for line in [*lines, *SPAN.findall(text)]:
        split = shlex.shlex(line, posix=True, punctuation_chars="|&")
        split.whitespace_split = True
        for joins, words in itertools.groupby(split, lambda word: word in {"&&", "|"}):
            if not joins:
                yield list(words)


def whole_lines(block: str) -> Iterator[str]:
    """The lines of a block, joined where a backslash or an open quote leads on to the next."""
    held = ""
    for line in block.splitlines():
        held += line
        try:
            shlex.split(held, comments=True)
        except ValueError:  # no closing quotation, or nothing after the backslash
            held = held.removesuffix("\\") + "\n"
        else:
            yield held
            held = ""
    assert held == "", "a quote is not closed"


def test_a_block_of_bash_is_read_as_one_of_sh_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\nmake a && merlin up \\\n  --port 1  # b\ncurl -d '{\n \"a|b\"}' | jq .\n```\n`make c`\n")
    assert [*commands(page)] == [
        ["make", "a"],
        ["merlin", "up", "--port", "1"],
        ["curl", "-d", '{\n "a|b"}'],
        ["jq", "."],
        ["make", "c"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    named = {word for words in commands(page) if words[0] == "make" for word in words[1:] if "=" not in word}
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_merlin_command_and_option_exists(page: Path) -> None:
    context = click.Context(group)
    for words in commands(page):
        if words[0] != "merlin" or len(words) < 2 or not words[1].isalpha() or words[1].isupper():
            continue
        command = group.get_command(context, words[1])
        if isinstance(command, click.Group) and len(words) > 2:
            command = command.get_command(context, words[2])
        assert command is not None, words
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        given = {word.split("=")[0] for word in words[2:] if word.startswith("-")}
        assert given - known == set(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    local = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
