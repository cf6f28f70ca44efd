"""Labels as they come in: pairs, all checked, each problem with its place."""

from __future__ import annotations

from collections.abc import Sequence

from merlin.domain.names import MOST_LABELS, check_label
from merlin.errors import InvalidInput
from merlin.resolvers.problems import Problems


def checked_labels(pairs: Sequence[tuple[str, str]], problems: Problems) -> dict[str, str]:
    """The labels by key; what is wrong with them goes to ``problems``."""
    labels: dict[str, str] = {}
    if len(pairs) > MOST_LABELS:
        problems.add(InvalidInput(f"At most {MOST_LABELS} labels are possible.", path=("labels",)))
    for place, (key, value) in enumerate(pairs):
        problems.check(check_label, key, value, path=("labels", place))
        if key in labels:
            problems.add(InvalidInput(f"The label {key!r} is given twice.", path=("labels", place)))
        labels[key] = value
    return labels
