"""Inputs of the mutations about endpoints, and how they become domain values."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import strawberry

from merlin.domain import revision as domain
from merlin.resolvers.deployments import Deployment
from merlin.schema.enums import AutoscalingMetric, Strategy, register
from merlin.schema.ids import parse_id


class ClearableField(Enum):
    """What a redeploy can empty; everything that is left out keeps its value."""

    AUTOSCALING = "autoscaling"
    VARIABLES = "variables"
    SECRETS = "secrets"
    CPU_LIMIT = "cpu_limit"
    MEMORY_LIMIT = "memory_limit"


register(
    ClearableField,
    "What a redeploy can empty; everything that is left out keeps its value.",
    {
        "AUTOSCALING": "No autoscaling: `minReplicas` pods.",
        "VARIABLES": "No environment variables.",
        "SECRETS": "No secrets.",
        "CPU_LIMIT": "No limit of CPU.",
        "MEMORY_LIMIT": "No limit of memory.",
    },
)

_GENERATION = "The endpoint's `generation` as you read it; at another one it is refused with `CONFLICT`."
_KEY = "Repeat the request with the same key, and it is done once; kept for a day."


@strawberry.input(description="Kubernetes quantities; what is left out keeps its value.")
class ResourcesInput:
    """See the fields."""

    cpu_request: str | None = strawberry.field(default=None, description="CPU reserved per pod: `500m`, `2`.")
    memory_request: str | None = strawberry.field(default=None, description="Memory reserved per pod: `512Mi`, `1Gi`.")
    cpu_limit: str | None = strawberry.field(default=None, description="CPU at most per pod.")
    memory_limit: str | None = strawberry.field(default=None, description="Memory at most per pod.")


@strawberry.input(description="Scale between `minReplicas` and `maxReplicas`.")
class AutoscalingInput:
    """See the fields."""

    metric: AutoscalingMetric = strawberry.field(description="What is looked at.")
    target_percent: int = strawberry.field(description="Percent of the request to aim at, 1 to 100.")


@strawberry.input(description="An environment variable of the model's process.")
class VariableInput:
    """See the fields."""

    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value; shown to editors only. For passwords use secrets.")


@strawberry.input(description="A secret of the project in an environment variable.")
class SecretReferenceInput:
    """See the fields."""

    secret: str = strawberry.field(description="The secret's name in the project.")
    variable: str = strawberry.field(description="The environment variable that holds it.")


@strawberry.input
class DeploymentFields:
    """What is asked of a deploy."""

    version_id: strawberry.ID = strawberry.field(description="The version; it must be FINISHED.")
    environment: str | None = strawberry.field(default=None, description="Where; the default environment if absent.")
    resources: ResourcesInput | None = strawberry.field(default=None, description="CPU and memory of each pod.")
    min_replicas: int | None = strawberry.field(default=None, description="Pods at least.")
    max_replicas: int | None = strawberry.field(default=None, description="Pods at most.")
    timeout_seconds: int | None = strawberry.field(default=None, description="How long one prediction may take.")
    deadline_seconds: int | None = strawberry.field(default=None, description="How long the rollout may take.")
    runtime: str | None = strawberry.field(default=None, description="One of the environment's `runtimes`.")
    strategy: Strategy | None = strawberry.field(default=None, description="How it replaces what runs.")
    autoscaling: AutoscalingInput | None = strawberry.field(default=None, description="Whether pods come and go.")
    variables: list[VariableInput] | None = strawberry.field(
        default=None, description="All environment variables; they replace those before."
    )
    secrets: list[SecretReferenceInput] | None = strawberry.field(
        default=None, description="All secrets; they replace those before."
    )
    clear: list[ClearableField] | None = strawberry.field(default=None, description="What to empty.")

    def as_deployment(self) -> Deployment:
        """What is asked for. Raises InvalidInput (INVALID_ID)."""
        return Deployment(
            version_id=parse_id(self.version_id, "Version", path=("versionId",)),
            environment=self.environment,
            change=self._change(),
        )

    def _change(self) -> domain.SpecChange:
        resources = self.resources or ResourcesInput()
        scaling = self.autoscaling
        return domain.SpecChange(
            cpu_request=resources.cpu_request,
            memory_request=resources.memory_request,
            cpu_limit=resources.cpu_limit,
            memory_limit=resources.memory_limit,
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
            timeout_seconds=self.timeout_seconds,
            deadline_seconds=self.deadline_seconds,
            runtime=self.runtime,
            strategy=self.strategy,
            autoscaling=domain.Autoscaling(scaling.metric, scaling.target_percent) if scaling else None,
            variables=None
            if self.variables is None
            else tuple(domain.EnvironmentVariable(v.name, v.value) for v in self.variables),
            secrets=None
            if self.secrets is None
            else tuple(domain.SecretReference(s.secret, s.variable) for s in self.secrets),
            clear=frozenset(field.value for field in self.clear or ()),
        )


@strawberry.input(
    description="A first deploy takes the environment's defaults where nothing is said; a redeploy keeps what was."
)
class DeployVersionInput(DeploymentFields):
    """See the fields."""

    comment: str | None = strawberry.field(default=None, description="Why; kept with the revision.")
    expected_generation: int | None = strawberry.field(
        default=None,
        description="The endpoint's `generation` as you read it, 0 if there was none; at another one it is refused.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)

    def as_deployment(self) -> Deployment:
        """What is asked for. Raises InvalidInput (INVALID_ID)."""
        return replace(
            super().as_deployment(), comment=self.comment or "", expected_generation=self.expected_generation
        )


@strawberry.input(description="Which endpoint to roll back, and how far.")
class RollbackVersionEndpointInput:
    """See the fields."""

    version_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    to_revision: int | None = strawberry.field(
        default=None, description="The revision whose settings are wanted; the one active before if absent."
    )
    comment: str | None = strawberry.field(default=None, description="Why; kept with the revision.")
    expected_generation: int | None = strawberry.field(default=None, description=_GENERATION)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which endpoint's deploy to take back.")
class CancelDeploymentInput:
    """See the fields."""

    version_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    expected_generation: int | None = strawberry.field(default=None, description=_GENERATION)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which endpoint to remove.")
class UndeployVersionInput:
    """See the fields."""

    version_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    expected_generation: int | None = strawberry.field(default=None, description=_GENERATION)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which endpoint gets all traffic of its model.")
class ServeVersionInput:
    """See the fields."""

    version_endpoint_id: strawberry.ID = strawberry.field(description="The endpoint; it must run.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which model endpoint to stop.")
class StopServingInput:
    """See the fields."""

    model_endpoint_id: strawberry.ID = strawberry.field(description="The model endpoint.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)
