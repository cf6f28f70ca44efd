"""What can go wrong, by name. Everything this package raises on purpose is a `MerlinError`.

Its ``code`` is Merlin's own, stable and searchable; its message says what happened, its ``hint`` what to do about it,
its ``path`` which input it is about.

    MerlinError
    ├── InputErrors            what was asked for cannot be accepted; ``errors`` holds every reason, nothing was changed
    ├── InputError             the same, for one reason
    ├── NotFound               no such thing, or you may not see it
    ├── AlreadyExists          the name is taken
    ├── NotAllowed             the state of the thing forbids it, such as undeploying what serves
    ├── Conflict               somebody else changed it meanwhile
    ├── Unauthorized           no token, or one that the server does not know
    ├── PermissionDenied       you are known but lack the role
    ├── Unavailable            Merlin, or what it needs, does not answer; trying again helps
    ├── TimedOut               it goes on, but took longer than you wanted to wait
    ├── CursorExpired          the events after that cursor are gone
    ├── ServerFault            Merlin failed; the message holds what it told
    ├── NotConfigured          something has to be set first: the URL, a project, a model
    ├── ModelNotUnderstood     log_model does not know what kind of model this is
    ├── DeploymentFailed       it did not start; has ``fix`` and ``evidence``
    │   ├── DeploymentCancelled    somebody cancelled it
    │   └── DeploymentSuperseded   a newer deploy of the same endpoint took over
    └── PredictionFailed       the endpoint refused or failed; ``status`` and its own reason
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class MerlinError(Exception):
    """An expected failure: ``code`` for programs, ``message`` and ``hint`` for people, ``path`` to the input."""

    code = "ERROR"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, path: Sequence[str] = ()
    ) -> None:
        self.message = message
        self.code = code or type(self).code
        self.hint = hint
        self.path = tuple(path)
        super().__init__(message)

    def __str__(self) -> str:
        where = f" (at {'.'.join(self.path)})" if self.path else ""
        return f"{self.message}{where} [{self.code}]" + (f"\n{self.hint}" if self.hint else "")


class InputError(MerlinError):
    """A value that cannot be accepted; nothing was changed."""

    code = "INVALID_INPUT"


class InputErrors(MerlinError):
    """Several reasons at once; nothing was changed. ``errors`` holds each, the code is the first one's."""

    code = "INVALID_INPUT"

    def __init__(self, errors: Sequence[MerlinError]) -> None:
        super().__init__(f"{len(errors)} problems; nothing was changed.", code=errors[0].code)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join([self.message, *("- " + str(error).replace("\n", "\n  ") for error in self.errors)])


class NotFound(MerlinError):
    """There is no such thing, or you may not see it."""

    code = "NOT_FOUND"


class AlreadyExists(MerlinError):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class NotAllowed(MerlinError):
    """The state of the thing forbids it; the hint says what to do first."""

    code = "NOT_ALLOWED"


class Conflict(MerlinError):
    """Somebody else changed it meanwhile."""

    code = "CONFLICT"


class Unauthorized(MerlinError):
    """No token, or one that the server does not know."""

    code = "UNAUTHENTICATED"


class PermissionDenied(MerlinError):
    """You are known but lack the role."""

    code = "PERMISSION_DENIED"


class Unavailable(MerlinError):
    """Merlin, or something it needs, does not answer. Trying again helps, and is safe."""

    code = "UNAVAILABLE"


class TimedOut(MerlinError):
    """It took longer than you wanted to wait, and goes on without you."""

    code = "TIMED_OUT"


class CursorExpired(MerlinError):
    """The events after that cursor are gone; start without one."""

    code = "CURSOR_EXPIRED"


class ServerFault(MerlinError):
    """Merlin failed in a way that it did not expect itself."""

    code = "SERVER_FAULT"


class NotConfigured(MerlinError):
    """Something has to be set first; the message says what."""

    code = "NOT_CONFIGURED"


class ModelNotUnderstood(MerlinError):
    """`log_model` does not know what this is; the hint names what it knows."""

    code = "MODEL_NOT_UNDERSTOOD"


class DeploymentFailed(MerlinError):
    """The revision did not start. What ran before still runs.

    ``fix`` says what to do, ``evidence`` holds pod, exit code and last log lines where there are any."""

    code = "DEPLOYMENT_FAILED"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fix: str = "",
        evidence: Mapping[str, Any] | None = None,
        revision: int | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=fix or None)
        self.fix = fix
        self.evidence = dict(evidence or {})
        self.revision = revision

    @property
    def log(self) -> list[str]:
        """The last lines of the failed pod's log, as far as they are known."""
        return log_lines(self.evidence)

    def __str__(self) -> str:
        shown = "".join(f"\n  | {line}" for line in self.log[-20:])
        return super().__str__() + (f"\nThe log's last lines:{shown}" if shown else "")


class DeploymentCancelled(DeploymentFailed):
    """Somebody cancelled it before it ran."""

    code = "CANCELLED"


class DeploymentSuperseded(DeploymentFailed):
    """A newer deploy of the same endpoint took over before it ran."""

    code = "SUPERSEDED"


class PredictionFailed(MerlinError):
    """The endpoint refused the request (``status`` 4xx) or failed (5xx); the message is its own reason."""

    code = "PREDICTION_FAILED"

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


def log_lines(evidence: Mapping[str, Any]) -> list[str]:
    """The log lines that a failure's evidence holds, whatever form they have.

    What the runtime itself told of its end (``details.log``: the user's own traceback, clean) is worth most."""
    details = evidence.get("details")
    if isinstance(details, Mapping) and (told := log_lines(details)):
        return told
    for key in ("log", "logs", "log_tail", "logTail", "lines"):
        found = evidence.get(key)
        if isinstance(found, str):
            return found.splitlines()
        if isinstance(found, list):
            return [str(line.get("text", line)) if isinstance(line, dict) else str(line) for line in found]
    return []


_BY_CODE: dict[str, type[MerlinError]] = {
    code: kind
    for kind, codes in {
        InputError: "INVALID_INPUT INVALID_ID INVALID_NAME RESERVED_NAME INVALID_QUANTITY INVALID_REPLICAS "
        "LIMIT_EXCEEDED NOT_A_MODEL NO_RUNTIME",
        NotFound: "NOT_FOUND ARTIFACT_NOT_FOUND ENVIRONMENT_UNKNOWN SECRET_UNKNOWN",
        AlreadyExists: "ALREADY_EXISTS",
        NotAllowed: "NOT_ALLOWED MODEL_IN_USE VERSION_IN_USE VERSION_OPEN NO_ARTIFACT SECRET_IN_USE NOT_RUNNING "
        "NO_CHANGE ENVIRONMENT_DETACHED QUOTA_EXCEEDED STILL_SERVING NOTHING_TO_CANCEL REJECTED ADMISSION_REFUSED "
        "ROUTE_FEATURE_UNSUPPORTED",
        Conflict: "CONFLICT IDEMPOTENCY_KEY_REUSED",
        Unauthorized: "UNAUTHENTICATED",
        PermissionDenied: "PERMISSION_DENIED",
        Unavailable: "UNAVAILABLE MLFLOW_UNAVAILABLE CLUSTER_UNREACHABLE ENDPOINT_UNREACHABLE",
        CursorExpired: "CURSOR_EXPIRED",
        ServerFault: "SERVER_FAULT INTERNAL ERROR MISCONFIGURED NAMESPACE_MISSING KIND_NOT_INSTALLED",
    }.items()
    for code in codes.split()
}


def error_from(shape: Mapping[str, Any]) -> MerlinError:
    """The error that the server described as ``{code, message, path, hint}``, or as a GraphQL error."""
    extensions = shape.get("extensions") or {}
    code = str(shape.get("code") or extensions.get("code") or ServerFault.code)
    path = shape.get("path") if "code" in shape else extensions.get("path")
    parts = [str(part) for part in path or ()]
    hint = shape.get("hint") or extensions.get("hint")
    return _kind(code)(str(shape.get("message", "")), code=code, hint=hint, path=parts)


def errors_from(shapes: Sequence[Mapping[str, Any]]) -> MerlinError:
    """One error for all that the server named: itself if it is one, else `InputErrors`."""
    errors = [error_from(shape) for shape in shapes]
    return errors[0] if len(errors) == 1 else InputErrors(errors)


def _kind(code: str) -> type[MerlinError]:
    """The class for a code. One that this client does not know yet is at least a MerlinError with that code."""
    return _BY_CODE.get(code, MerlinError)


def knows(code: str) -> bool:
    """Whether there is a class for this code."""
    return code in _BY_CODE
