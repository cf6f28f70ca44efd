"""What the answers of a Kubernetes API server mean when they are not 2xx.

The same code means different things: 403 is RBAC, quota, an admission webhook or a namespace that is going away; 500
is a broken server or a field that does not exist. tests/kube holds recorded answers of a real server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from merlin.domain.failure import FailureCode
from merlin.errors import Conflict, MerlinError, NotFound, Rejected, Unavailable

NAMESPACE_MISSING = "NAMESPACE_MISSING"
KIND_NOT_INSTALLED = "KIND_NOT_INSTALLED"
_OURS = ("failed to create typed patch object", "field not declared in schema", "denied the request")


class Expired(Unavailable):
    """The version a watch was to go on from is too old: list again."""

    code = "WATCH_EXPIRED"


def raise_for(status: int, content: bytes, path: str, *, absent_is_none: bool = False) -> None:
    """Raise what the answer means; return ``None`` for an object that is not there, where that is an answer."""
    stated = _status(content)
    if status == 404 and absent_is_none:
        if not stated:
            raise _not_installed(path)
        return
    raise _meaning(status, stated, path)


def of_watch(stated: Mapping[str, Any]) -> MerlinError:
    """What an ERROR event of a watch means; the HTTP answer itself was 200."""
    code = int(stated.get("code", 500))
    if code == 410:
        return Expired(f"The watch is too old: {stated.get('message', '')}")
    return _meaning(code, stated, "watch")


def unreachable(why: str) -> Unavailable:
    """The cluster did not answer."""
    return Unavailable(f"The cluster cannot be reached: {why}.", code=FailureCode.CLUSTER_UNREACHABLE)


def _meaning(status: int, stated: Mapping[str, Any], path: str) -> MerlinError:
    message = str(stated.get("message") or f"{path} answered {status}")
    if status == 404:
        return _not_found(stated, message, path)
    if status == 409:
        return Conflict(f"Somebody else changed it meanwhile: {message}")
    if status == 410:
        return Expired(message)
    if status == 401:
        return Unavailable(
            f"The cluster does not accept our credentials: {message}",
            code=FailureCode.CLUSTER_UNREACHABLE,
            hint="Renew the kubeconfig of the environment.",
        )
    if status == 429 or (status >= 500 and not any(text in message for text in _OURS)):
        return Unavailable(f"The cluster is in trouble: {message}", code=FailureCode.CLUSTER_UNREACHABLE)
    if status == 403 and _is_terminating(stated):
        return Unavailable(f"The namespace is being deleted: {message}", hint="It is made anew once it is gone.")
    if "exceeded quota" in message:
        return Rejected(message, code=FailureCode.QUOTA_EXCEEDED, hint="Ask for less, or raise the namespace's quota.")
    return Rejected(f"The cluster refused it: {message}", code=FailureCode.ADMISSION_REFUSED, hint=_fix(status))


def _not_found(stated: Mapping[str, Any], message: str, path: str) -> MerlinError:
    if not stated:
        return _not_installed(path)
    if stated.get("details", {}).get("kind") == "namespaces":
        return NotFound(message, code=NAMESPACE_MISSING)
    return NotFound(message)


def _not_installed(path: str) -> Rejected:
    return Rejected(
        f"The cluster does not know {path}: a CustomResourceDefinition is not installed.",
        code=KIND_NOT_INSTALLED,
        hint="Install KServe and the Gateway API; `merlin doctor` names what is missing.",
    )


def _is_terminating(stated: Mapping[str, Any]) -> bool:
    causes = stated.get("details", {}).get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _fix(status: int) -> str:
    if status == 403:
        return "Ask the cluster's operator: a policy, an admission webhook or missing rights forbid it."
    return "Correct what the message names and deploy again."


def _status(content: bytes) -> dict[str, Any]:
    try:
        stated = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return stated if isinstance(stated, dict) else {}
