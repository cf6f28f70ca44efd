"""Live progress where somebody looks: a spinner in a terminal, an updated cell in a notebook, plain lines elsewhere.

Plain lines go to stderr, so that a program's output stays its own. A display never fails what it shows.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.status import Status

_MARKS = {"FAILED": "✗", "CANCELLED": "✗", "SUPERSEDED": "✗"}


class Display:
    """Steps with the seconds at which they came. This one shows nothing.

    Others begin to show with the first step: what was refused at once leaves no title behind."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._started = time.monotonic()
        self._last: tuple[str, str, bool] | None = None
        self._lines: list[tuple[float, str, str, bool]] = []

    def step(self, phase: str, message: str, *, done: bool = False) -> None:
        """Show a step; one that repeats the last one is not shown again, nor is its sentence under the next phase."""
        before, self._last = self._last, (phase, message, done)
        if before == self._last:
            return
        said = "" if before is not None and before[1] == message else message
        self._lines.append((time.monotonic() - self._started, phase, said, done))
        if before is None:
            with contextlib.suppress(Exception):  # such as another program's spinner that has the terminal
                self._begin()
        with contextlib.suppress(Exception):
            self._show()

    def note(self, text: str) -> None:
        """Show a sentence beside the steps."""

    def close(self) -> None:
        """Leave what was shown as it is."""

    def _begin(self) -> None:
        """Show the title."""

    def _show(self) -> None:
        """Bring what is shown up to date."""

    def _last_as_text(self) -> str:
        seconds, phase, message, done = self._lines[-1]
        mark = _MARKS.get(phase, "✓" if done else "·")
        return f"{mark} {seconds:5.1f} s  {phase:<10} {message}".rstrip()


class Lines(Display):
    """A line per step, on stderr."""

    def _begin(self) -> None:
        self.note(self.title)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _show(self) -> None:
        print("  " + self._last_as_text(), file=sys.stderr, flush=True)


class Terminal(Display):
    """A line per step, and a spinner with the seconds below while it lasts."""

    def __init__(self, title: str) -> None:
        from rich.console import Console

        super().__init__(title)
        self._console = Console(stderr=True, highlight=False)
        self._status: Status = self._console.status("waiting …")

    def _begin(self) -> None:
        self._console.print(self.title, style="bold", markup=False)
        self._status.start()

    def note(self, text: str) -> None:
        self._console.print(text, markup=False)

    def close(self) -> None:
        self._status.stop()

    def _show(self) -> None:
        phase, done = self._lines[-1][1], self._lines[-1][3]
        style = "red" if phase in _MARKS else ("green" if done else None)
        self._console.print("  " + self._last_as_text(), style=style, markup=False)


class Notebook(Display):
    """One cell's output, updated with each step."""

    def __init__(self, title: str) -> None:
        from IPython.display import HTML, display

        super().__init__(title)
        self._html: Any = HTML
        self._display: Any = display
        self._handle: Any = None
        self._note = ""

    def _begin(self) -> None:
        self._handle = self._display(self._html(self._as_html()), display_id=True)

    def note(self, text: str) -> None:
        self._note = text
        self._show()

    def _show(self) -> None:
        self._handle.update(self._html(self._as_html()))

    def _as_html(self) -> str:
        rows = "".join(
            f"<tr><td align=right>{seconds:.1f} s</td><td align=left><b>{escape(phase)}</b></td>"
            f"<td align=left>{escape(message)}</td></tr>"
            for seconds, phase, message, _ in self._lines
        )
        return f"<div>{escape(self.title)}<table>{rows}</table>{escape(self._note)}</div>"


@contextlib.contextmanager
def display_for(title: str, show: bool) -> Iterator[Display]:
    """The display that fits where this runs, closed at the end."""
    display = _display(title) if show else Display(title)
    try:
        yield display
    finally:
        display.close()


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    found = shell.get_ipython()
    return found is not None and getattr(found, "kernel", None) is not None


def _display(title: str) -> Display:
    with contextlib.suppress(Exception):  # a display that cannot be made must not stop a deploy
        if in_notebook():
            return Notebook(title)
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            return Terminal(title)
    return Lines(title)
