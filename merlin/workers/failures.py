"""An error at the cluster's door as a named failure of what was wished."""

from __future__ import annotations

from merlin.domain.diagnosis import failure
from merlin.domain.failure import Failure, FailureCode
from merlin.errors import MerlinError

_KNOWN = frozenset(code.value for code in FailureCode)


def failure_of(error: MerlinError) -> Failure:
    """The failure to show: the error's own code where it is one, its hint as the fix."""
    if error.code == "SECRET_UNKNOWN":
        return failure(FailureCode.CONFIG_MISSING, error.message)
    code = FailureCode(error.code) if error.code in _KNOWN else FailureCode.ADMISSION_REFUSED
    made = failure(code, error.message, event=error.message)
    return Failure(made.code, made.message, error.hint or made.fix, made.evidence)
