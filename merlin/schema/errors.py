"""User errors: what a mutation refused, and the codes there are. docs/errors.md says what to do about each."""

from __future__ import annotations

import logging
from enum import Enum

import strawberry

from merlin.errors import InputErrors, MerlinError
from merlin.schema.enums import register

log = logging.getLogger(__name__)


class ErrorCode(Enum):
    """Every code there is; the value says what it means."""

    INVALID_INPUT = "A value cannot be accepted; `path` names it."
    INVALID_ID = "That is no id of this API, or one of another type."
    INVALID_NAME = "A name breaks the rules of Kubernetes, or is too long."
    RESERVED_NAME = "A name is kept for somebody else, or an address of Merlin's own begins with it."
    INVALID_QUANTITY = "That is not an amount of CPU or memory."
    INVALID_REPLICAS = "Numbers of replicas that cannot be."
    LIMIT_EXCEEDED = "More than the environment allows, or than an operation may cost."
    NOT_FOUND = "It does not exist, or you may not see it."
    ALREADY_EXISTS = "The name or the run is taken."
    NOT_ALLOWED = "Its state forbids that; the message says what to do first."
    PERMISSION_DENIED = "Your role in the project does not allow that."
    UNAUTHENTICATED = "No token was given, or one that is not known."
    CONFLICT = "Somebody else changed or owns it meanwhile."
    IDEMPOTENCY_KEY_REUSED = "That key was used for another request."
    REJECTED = "MLflow or the cluster refused for good."
    UNAVAILABLE = "Something did not answer; trying again helps."
    MISCONFIGURED = "A setting or the installation is wrong; an operator must mend it."
    CURSOR_EXPIRED = "The events after that cursor are gone."
    MODEL_IN_USE = "Something of the model is still in a cluster."
    VERSION_IN_USE = "The version is still in a cluster."
    VERSION_OPEN = "The version is not finished yet."
    NO_ARTIFACT = "The version has no artifact that a cluster can fetch."
    ARTIFACT_NOT_FOUND = "No model was logged there."
    NOT_A_MODEL = "What was logged there is no MLflow model."
    MLFLOW_UNAVAILABLE = "MLflow did not answer; the same call again goes on where it stopped."
    SECRET_UNKNOWN = "The project has no secret of that name."  # noqa: S105 (not one)
    SECRET_IN_USE = "A live revision refers to the secret."  # noqa: S105 (not one)
    ENVIRONMENT_UNKNOWN = "There is no environment of that name."
    ENVIRONMENT_DETACHED = "The environment is no longer configured."
    QUOTA_EXCEEDED = "The environment, or the namespace, allows no more."
    NO_RUNTIME = "The environment has no runtime that serves this model."
    NOT_RUNNING = "The version does not run there."
    STILL_SERVING = "It serves traffic, or is about to."
    NOTHING_TO_CANCEL = "No deployment is under way there."
    NO_CHANGE = "It is so already."
    ADMISSION_REFUSED = "The cluster's rules refuse the object."
    CLUSTER_UNREACHABLE = "The environment's cluster does not answer."
    ENDPOINT_UNREACHABLE = "The endpoint does not answer through its gateway."
    ROUTE_FEATURE_UNSUPPORTED = "The gateway lacks a feature that the route needs."
    NAMESPACE_MISSING = "The project's namespace is not there."
    KIND_NOT_INSTALLED = "The cluster lacks a part that Merlin needs."
    ERROR = "Anything else that was expected; the message says what."


CODES = {code.name: code.value for code in ErrorCode}
"""Every code, and what it means."""

WHAT_TO_DO = {
    "INVALID_INPUT": "Change that value as the message says.",
    "INVALID_ID": "Pass an id exactly as this API gave it, of the type that the field asks for.",
    "INVALID_NAME": "Use lower-case letters, digits and single -; projects have at most 32 characters, models 25.",
    "RESERVED_NAME": "Choose another name; the message says which pattern is kept for whom.",
    "INVALID_QUANTITY": "Write CPU as 500m or 2, memory as 512Mi, 1Gi.",
    "INVALID_REPLICAS": "Keep 1 ≤ minReplicas ≤ maxReplicas.",
    "LIMIT_EXCEEDED": "Ask for less; environment { limits } and server { limits } say how much there is.",
    "NOT_FOUND": "Check the id or name. You see only projects that you are a member of.",
    "ALREADY_EXISTS": "Choose another name; for a run: use the version that it is already.",
    "NOT_ALLOWED": "Do first what the message says.",
    "PERMISSION_DENIED": "Ask an administrator of the project for the role that the message names.",
    "UNAUTHENTICATED": "Send Authorization: Bearer TOKEN; merlin up prints the token.",
    "CONFLICT": "Read it again and repeat.",
    "IDEMPOTENCY_KEY_REUSED": "Use a new idempotencyKey for a new request.",
    "REJECTED": "Change the request: repeating it cannot help. The message has the other side's words.",
    "UNAVAILABLE": "Repeat it in a moment. With an idempotencyKey nothing is done twice.",
    "MISCONFIGURED": "Tell an operator; merlin doctor says more.",
    "CURSOR_EXPIRED": "Read the present state, then go on from the cursor in the hint.",
    "MODEL_IN_USE": "Stop serving, undeploy every version, wait until they are TERMINATED.",
    "VERSION_IN_USE": "Undeploy it and wait until it is TERMINATED.",
    "VERSION_OPEN": "Log a model into its run and finish it (finishVersion).",
    "NO_ARTIFACT": "Log a model and finish the version again, or make a new one.",
    "ARTIFACT_NOT_FOUND": "Log a model first (log_model), or name the path it was logged under.",
    "NOT_A_MODEL": "Log it with an MLflow flavour; a plain file or folder cannot be served.",
    "MLFLOW_UNAVAILABLE": "Repeat the same call with the same idempotencyKey: it goes on with the same version. "
    "refreshVersion starts a missing run, too.",
    "SECRET_UNKNOWN": "Set the secret first (setSecret).",
    "SECRET_IN_USE": "Redeploy without it, or undeploy what uses it.",
    "ENVIRONMENT_UNKNOWN": "See environments for the names there are; leave it out for the default one.",
    "ENVIRONMENT_DETACHED": "Deploy elsewhere, or have an operator put it back into the environments' file.",
    "QUOTA_EXCEEDED": "Undeploy something, ask for less, or have the quota raised.",
    "NO_RUNTIME": "See environment { runtimes }; leave runtime out for the default one.",
    "NOT_RUNNING": "Deploy it and wait until it runs.",
    "STILL_SERVING": "Serve another version, or stop serving, and wait until that is done.",
    "NOTHING_TO_CANCEL": "There is nothing to do. To remove what runs, undeploy it.",
    "NO_CHANGE": "There is nothing to do.",
    "ADMISSION_REFUSED": "Change what the cluster's message names, or its policy.",
    "CLUSTER_UNREACHABLE": "Wait: Merlin goes on by itself once the cluster answers. "
    "environment { healthMessage } says why.",
    "ENDPOINT_UNREACHABLE": "See its pods and logs; try again. With all endpoints so: the gateway is away.",
    "ROUTE_FEATURE_UNSUPPORTED": "Use another environment, or have an operator change the gateway.",
    "NAMESPACE_MISSING": "Wait, or have an operator make the project's namespace.",
    "KIND_NOT_INSTALLED": "Have an operator install KServe and the Gateway API; merlin doctor names what is missing.",
    "ERROR": "The message says all that is known.",
}
"""What a user can do about each: the hint of an error that has none of its own."""

register(ErrorCode, "Why something was refused. docs/errors.md says what to do about each.", CODES)


@strawberry.type(description="One thing that was refused, and why.")
class UserError:
    """See the fields."""

    code: ErrorCode = strawberry.field(description="For programs; stable.")
    message: str = strawberry.field(description="For people: what happened and what to do next.")
    path: list[str] = strawberry.field(description="The input field it is about, from the input on; may be empty.")
    hint: str = strawberry.field(description="For people: what to do.")


@strawberry.type
class Payload:
    """What every mutation answers."""

    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was refused, all reasons at once; empty when it was done."
    )


def user_error(error: MerlinError) -> UserError:
    """The error as users see it. A code that is not in `CODES` is a mistake of ours: logged, and shown as ERROR."""
    code = str(getattr(error.code, "value", error.code))
    if code not in CODES:
        log.error("an error has a code that is not public", extra={"code": code})
        code = "ERROR"
    return UserError(
        code=ErrorCode[code],
        message=error.message,
        path=[str(part) for part in error.path],
        hint=error.hint or WHAT_TO_DO[code],
    )


def user_errors(error: MerlinError) -> list[UserError]:
    """All that travels in an error."""
    return [user_error(one) for one in error.errors] if isinstance(error, InputErrors) else [user_error(error)]
