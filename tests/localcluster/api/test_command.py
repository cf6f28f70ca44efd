"""The command line, and how its parts live and die together."""

from __future__ import annotations

import subprocess
import sys

import pytest

from merlin.localcluster.__main__ import main

PARTS = """
import asyncio, logging, sys
from merlin.localcluster.__main__ import _together
logging.basicConfig(level=logging.INFO)
async def patient():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("unwound", flush=True)
        raise
async def failing():
    await asyncio.sleep(0)
    raise ValueError("broken")
async def done():
    await asyncio.sleep(0)
asyncio.run(_together(patient(), {part}()))
"""


@pytest.mark.parametrize(("part", "said"), [("failing", "failing failed"), ("done", "done ended by itself")])
def test_a_part_that_ends_ends_the_process_as_a_kill_would(part: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PARTS.format(part=part)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr


@pytest.mark.parametrize("arguments", [[], ["serve"], ["serve", "--home", "x", "--api-port", "0"], ["nothing"]])
def test_what_is_missing_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
