"""How the API says no: `Status` objects in the words of a real API server (recordings/errors.json)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from merlin.localcluster.api.kinds import Manifest, Resource


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with one field."""

    reason: str
    field: str
    message: str


class Refused(Exception):
    """The request is not done; ``body`` is the answer, a ``Status``, and ``code`` its HTTP status."""

    def __init__(self, code: int, reason: str, message: str, details: Manifest | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body: Manifest = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        self.body["message"] = message
        if reason:
            self.body["reason"] = reason
        if details:
            self.body["details"] = details
        self.body["code"] = code


def success(resource: Resource, name: str, uid: str) -> Manifest:
    """What a deletion answers when the object is gone."""
    details = {**_details(resource, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def not_found(resource: Resource, name: str) -> Refused:
    return Refused(404, "NotFound", f'{resource.key} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{resource.key} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> Refused:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on {resource.key} "{name}": {why}'
    return Refused(409, "Conflict", text, _details(resource, name))


def wrong_precondition(resource: Resource, name: str, what: str, wanted: str, found: str) -> Refused:
    text = (
        f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": the {what} in the precondition '
        f"({wanted}) does not match the {what} in record ({found}). The object might have been "
        + ("deleted and then recreated" if what == "UID" else "modified")
    )
    details = {"name": name, **({"group": resource.group} if resource.group else {}), "kind": resource.kind}
    return Refused(409, "Conflict", text, details)


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> Refused:
    details: Manifest = {"name": name, **({"group": resource.group} if resource.group else {}), "kind": resource.kind}
    return _invalid(f'{resource.qualified_kind} "{name}"', details, causes)


def invalid_options(kind: str, causes: Sequence[Cause]) -> Refused:
    return _invalid(f'{kind}.meta.k8s.io ""', {"group": "meta.k8s.io", "kind": kind}, causes)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def forbidden(resource: Resource, name: str, why: str, causes: Sequence[Cause] = ()) -> Refused:
    details = _details(resource, name)
    if causes:
        details["causes"] = [_cause(cause) for cause in causes]
    subject = f'{resource.key} "{name}"' if name else resource.key
    return Refused(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def denied_by_webhook(message: str) -> Refused:
    """As KServe's webhooks refuse."""
    return Refused(403, "Forbidden", message)


def apply_conflict(message: str, causes: Sequence[Cause]) -> Refused:
    return Refused(409, "Conflict", message, {"causes": [_cause(cause) for cause in causes]})


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)


def too_new(wanted: int, current: int) -> Refused:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return Refused(504, "Timeout", text, {"causes": causes, "retryAfterSeconds": 1})


def unsupported_patch(content_type: str, known: Sequence[str]) -> Refused:
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(known)}"
    return Refused(415, "UnsupportedMediaType", text)


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unknown_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource", {"causes": []})


def internal(message: str) -> Refused:
    return Refused(500, "InternalError", f"Internal error occurred: {message}")


def invalid_value(field: str, value: Any, why: str) -> Cause:
    shown = "null" if value is None else orjson.dumps(value).decode() if not isinstance(value, dict) else '"object"'
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: {why}")


def required_value(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {why}" if why else "Required value")


def unsupported_value(field: str, value: Any, known: Sequence[str]) -> Cause:
    listed = ", ".join(f'"{one}"' for one in known)
    shown = orjson.dumps(value).decode()
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {shown}: supported values: {listed}")


def forbidden_field(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {why}")


def _invalid(subject: str, details: Manifest, causes: Sequence[Cause]) -> Refused:
    # Said once, even where two checks found it.
    told = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    details["causes"] = [_cause(cause) for cause in causes]
    return Refused(422, "Invalid", f"{subject} is invalid: {text}", details)


def _cause(cause: Cause) -> Manifest:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}


def _details(resource: Resource, name: str) -> Manifest:
    details: Manifest = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    return details
