"""Which names are allowed, and why one is refused.

Names end up in Kubernetes objects, host names, URLs and MLflow tags, so they are checked once, here, before anything
is written. Each check raises InvalidInput (INVALID_NAME or RESERVED_NAME) whose message says what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from merlin.errors import InvalidInput

LONGEST_PROJECT = 32
LONGEST_MODEL = 25
LONGEST_NAMESPACE = 32
LONGEST_LABEL_VALUE = 255
MOST_LABELS = 64

RESERVED_PROJECTS = (
    "default",
    "kserve",
    "knative-*",
    "istio-*",
    "kube-*",
    "cert-manager",
    "gateway-*",
    "merlin*",
)
"""Names of namespaces that other software owns."""

API_PATHS = (
    "assets",
    "environments",
    "graphiql",
    "graphql",
    "healthz",
    "metrics",
    "projects",
    "readyz",
    "session",
    "sign-in",
)
"""What addresses of the API begin with. A model's address may begin with its project's name, and browsers send a host's
cookies to each of its ports: those for `/graphql` would go to the models of a project of that name."""

_RESERVED_LABELS = ("merlin.*", "mlflow.*")
_RESERVED_VARIABLES = ("MERLIN_*", "KUBERNETES_*", "KSERVE_*")
_RUNTIME_SETTINGS = "MERLIN_RUNTIME_"  # users may set these (runtime/README.md) ...
_RUNTIME_ADDRESS = "MERLIN_RUNTIME_HOST"  # ... but not where it listens: on a laptop that is loopback only
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?")
_ALIAS = re.compile(r"[A-Za-z]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LOOKS_LIKE_A_VERSION = re.compile(r"[vV]\d+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOWERCASE = "lower-case letters, digits and single '-' between them"


def check_project_name(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """A project's name: a Kubernetes namespace can be called so, and nobody else claims it, nor the API its path."""
    _check(name, _DNS_LABEL, LONGEST_PROJECT, f"Use {_LOWERCASE}.", path)
    _check_double_dash(name, path)
    _check_reserved(name, RESERVED_PROJECTS, path)
    if name in API_PATHS:
        raise InvalidInput(
            f"{name!r} is reserved: addresses of Merlin's own begin with /{name}; browsers would send its models their "
            "cookies.",
            code="RESERVED_NAME",
            path=path,
            hint="Choose another name.",
        )


def check_model_name(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """A model's name: KServe wants it to begin with a letter; short enough for `{model}-{version}-r{n}`."""
    _check(name, _SERVICE_LABEL, LONGEST_MODEL, f"Use {_LOWERCASE}, beginning with a letter.", path)
    _check_double_dash(name, path)


def check_environment_name(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """An environment's name: it may stand in URLs and namespaces."""
    _check(name, _DNS_LABEL, 32, f"Use {_LOWERCASE}.", path)
    _check_double_dash(name, path)


def check_namespace(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """An expanded namespace template: at most 32 characters, so that pods' host names fit."""
    _check(name, _DNS_LABEL, LONGEST_NAMESPACE, "Shorten the project's name.", path)


def check_label(key: str, value: str, *, path: Sequence[str | int] = ("labels",)) -> None:
    """A label (tag): its key may be an MLflow tag's; its value is one line of text."""
    _check(key, _LABEL_KEY, 63, "Use letters, digits, '-', '_', '.' and '/', not at the ends.", path)
    _check_reserved(key, _RESERVED_LABELS, path)
    if len(value) > LONGEST_LABEL_VALUE or not (value.isprintable()):
        raise InvalidInput(
            f"The value of label {key!r} must be printable text of at most {LONGEST_LABEL_VALUE} characters.",
            path=path,
        )


def check_alias(name: str, *, path: Sequence[str | int] = ("alias",)) -> None:
    """An alias: never mistaken for a version's number, nor for `latest`, which means something else in MLflow."""
    _check(name, _ALIAS, 63, "Begin with a letter; use letters, digits, '-', '_' and '.'.", path)
    if _LOOKS_LIKE_A_VERSION.fullmatch(name) or name.lower() == "latest":
        raise InvalidInput(f"The alias {name!r} would be mistaken for a version.", code="RESERVED_NAME", path=path)


def check_secret_name(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """A secret's name."""
    _check(name, _DNS_LABEL, 63, "Use lower-case letters, digits and '-', not at the ends.", path)


def check_variable_name(name: str, *, path: Sequence[str | int] = ("name",)) -> None:
    """An environment variable's name that no part of the platform needs for itself; the runtime's settings pass."""
    _check(name, _VARIABLE, 128, "Use letters, digits and '_', not beginning with a digit.", path)
    if name.startswith(_RUNTIME_SETTINGS) and name != _RUNTIME_ADDRESS:
        return
    _check_reserved(name.upper(), _RESERVED_VARIABLES, path)


def _check(name: str, pattern: re.Pattern[str], longest: int, advice: str, path: Sequence[str | int]) -> None:
    if not name:
        raise InvalidInput("A name is needed.", code="INVALID_NAME", path=path, hint=advice)
    if len(name) > longest:
        raise InvalidInput(
            f"{name[:80]!r} has {len(name)} characters; at most {longest} are possible.",
            code="INVALID_NAME",
            path=path,
            hint="Shorten it.",
        )
    if not pattern.fullmatch(name):
        raise InvalidInput(f"{name!r} is not a valid name. {advice}", code="INVALID_NAME", path=path, hint=advice)


def _check_double_dash(name: str, path: Sequence[str | int]) -> None:
    if "--" in name:
        raise InvalidInput(
            f"{name!r} has '--' in it, which host names use to join model and project.",
            code="INVALID_NAME",
            path=path,
            hint="Use a single '-'.",
        )


def _check_reserved(name: str, reserved: Sequence[str], path: Sequence[str | int]) -> None:
    for pattern in reserved:
        if fnmatchcase(name, pattern):
            raise InvalidInput(
                f"{name!r} is reserved ({pattern}).", code="RESERVED_NAME", path=path, hint="Choose another name."
            )
