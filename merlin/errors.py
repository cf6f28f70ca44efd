"""What can go wrong, by name.

Every expected failure of Merlin is a subclass of `MerlinError`. Its ``code`` is public and stable: users search for
it, programs branch on it. Its message says what happened and what to do next, in one or two sentences, without
secrets. Each room translates its libraries' errors into these at its door.

    MerlinError
    ├── InvalidInput            a field's value cannot be accepted (has a path; several travel in InputErrors)
    ├── InputErrors             several user errors at once, found before anything was written
    ├── NotFound                the thing named does not exist, or the caller may not see it
    ├── AlreadyExists           the name is taken
    ├── NotAllowed              the state of the thing forbids it (still serving, not running, …)
    ├── PermissionDenied        the caller's role does not allow it
    ├── Unauthenticated         no token, or one that is not known
    ├── Conflict                somebody else changed or owns it meanwhile
    ├── Rejected                the other side refused it for good (422, 403)
    ├── Unavailable             the other side did not answer or is broken; trying again helps
    ├── CursorExpired           the events after that cursor are gone
    └── Misconfigured           a setting or the installation is wrong; says which and how to mend it
"""

from __future__ import annotations

from collections.abc import Sequence


class MerlinError(Exception):
    """An expected failure: ``code`` for programs, message for people, ``path`` to the input, ``hint`` what to do."""

    code = "ERROR"

    def __init__(
        self, message: str, *, code: str | None = None, path: Sequence[str | int] = (), hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.path = tuple(path)
        self.hint = hint


class InvalidInput(MerlinError):
    """A value that cannot be accepted; ``path`` names the input field."""

    code = "INVALID_INPUT"


class InputErrors(MerlinError):
    """All that is wrong with one request, collected before anything was written."""

    code = "INVALID_INPUT"

    def __init__(self, errors: Sequence[MerlinError]) -> None:
        super().__init__("; ".join(e.message for e in errors))
        self.errors = tuple(errors)


class NotFound(MerlinError):
    """What was named does not exist (or may not be seen by the caller)."""

    code = "NOT_FOUND"


class AlreadyExists(MerlinError):
    """The name, or the run, is taken."""

    code = "ALREADY_EXISTS"


class NotAllowed(MerlinError):
    """The state of the thing forbids the act; the message says which state and what to do first."""

    code = "NOT_ALLOWED"


class PermissionDenied(MerlinError):
    """The caller is known but lacks the role."""

    code = "PERMISSION_DENIED"


class Unauthenticated(MerlinError):
    """No token, or one that is not known."""

    code = "UNAUTHENTICATED"


class Conflict(MerlinError):
    """Somebody else changed it meanwhile, or owns the field."""

    code = "CONFLICT"


class Rejected(MerlinError):
    """The other side refused for good; repeating the same request cannot help."""

    code = "REJECTED"


class Unavailable(MerlinError):
    """The other side did not answer in time, or is broken; trying again later helps."""

    code = "UNAVAILABLE"


class CursorExpired(MerlinError):
    """Events after that cursor were pruned; ``hint`` holds the oldest cursor there is."""

    code = "CURSOR_EXPIRED"


class Misconfigured(MerlinError):
    """A setting or the installation is wrong; the message says which and how to mend it."""

    code = "MISCONFIGURED"
