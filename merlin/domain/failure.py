"""Why a deployment failed: a stable code, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FailureCode(StrEnum):
    """The root causes that Merlin tells apart."""

    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CRASH_LOOP = "CRASH_LOOP"
    MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    ARTIFACT_ACCESS_DENIED = "ARTIFACT_ACCESS_DENIED"
    DEPENDENCY_CONFLICT = "DEPENDENCY_CONFLICT"
    PYTHON_NOT_AVAILABLE = "PYTHON_NOT_AVAILABLE"
    UNSCHEDULABLE = "UNSCHEDULABLE"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    ADMISSION_REFUSED = "ADMISSION_REFUSED"
    PROBE_FAILED = "PROBE_FAILED"
    NO_RUNTIME = "NO_RUNTIME"
    ROUTE_NOT_ACCEPTED = "ROUTE_NOT_ACCEPTED"
    ROUTE_FEATURE_UNSUPPORTED = "ROUTE_FEATURE_UNSUPPORTED"
    CLUSTER_UNREACHABLE = "CLUSTER_UNREACHABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CONFIG_MISSING = "CONFIG_MISSING"


@dataclass(frozen=True, slots=True)
class Failure:
    """One named failure. ``evidence`` (pod, container, exit_code, log_tail as a list, event) is what was seen."""

    code: FailureCode
    message: str
    fix: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"code": self.code.value, "message": self.message, "fix": self.fix, "evidence": self.evidence}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Failure:
        """The failure that was stored."""
        return cls(FailureCode(stored["code"]), stored["message"], stored["fix"], dict(stored["evidence"]))
