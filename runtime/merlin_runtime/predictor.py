"""What the server knows of a loaded model: one call, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from merlin_runtime.inputs import Inputs
from merlin_runtime.signature import Signature


class ModelError(Exception):
    """The model itself failed on this request; the message is for the caller, the cause for the log."""


class Predictor(Protocol):
    """A loaded model. ``predict`` is called from any thread, by one at a time (but for calls left behind as stuck)."""

    flavor: str
    signature: Signature
    rowwise: bool
    """Each row's result depends on that row alone, so rows of several requests may share a call."""
    quick: bool
    """Runs no code but a known library's: a call that has been short will be short again."""
    names: tuple[str, ...]
    """The column names the model was fitted with, where it knows them."""

    def predict(self, inputs: Inputs, params: Mapping[str, Any] | None) -> Any:
        """The model's result. Raises InvalidRequest when it refuses the values, ModelError when it breaks."""

    def warm_up(self) -> None:
        """Make the first real call as quick as the next ones; never raises."""
