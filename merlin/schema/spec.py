"""What a revision asks of the cluster."""

from __future__ import annotations

from merlin.domain import revision as domain
from merlin.resolvers.endpoints import ShownVariable
from merlin.schema.enums import AutoscalingMetric, Strategy
from merlin.schema.view import shown, view


@view(of=domain.Resources)
class Resources:
    """What each pod gets, as Kubernetes quantities."""

    cpu_request: str = shown("CPU that is kept for it: 500m, 2.")
    memory_request: str = shown("Memory that is kept for it: 512Mi, 1Gi.")
    cpu_limit: str | None = shown("CPU it may use at most; null = no limit.")
    memory_limit: str | None = shown("Memory it may use at most; null = no limit.")


@view(of=domain.Autoscaling)
class Autoscaling:
    """How the number of replicas follows the load."""

    metric: AutoscalingMetric = shown("What is measured.")
    target_percent: int = shown("The average to keep, in percent of the request.")


@view(of=ShownVariable)
class Variable:
    """An environment variable of the model's process."""

    name: str = shown("Its name.")
    value: str | None = shown("Its value; null for who may not edit the project.")


@view(of=domain.SecretReference)
class SecretReference:
    """A secret of the project, put into an environment variable."""

    secret: str = shown("The secret's name.")
    variable: str = shown("The variable that holds its value.")


@view(of=domain.RevisionSpec)
class RevisionSpec:
    """Everything a revision asks for; frozen."""

    resources: Resources = shown("What each pod gets.")
    min_replicas: int = shown("Pods at least.")
    max_replicas: int = shown("Pods at most.")
    timeout_seconds: int = shown("How long a call may take.")
    deadline_seconds: int = shown("How long the deploy may take before it has failed.")
    runtime: str = shown("The serving runtime.")
    strategy: Strategy = shown("How it replaces the revision before.")
    autoscaling: Autoscaling | None = shown("How pods follow the load; null = `minReplicas` of them, always.")
    variables: list[Variable] = shown("Environment variables.")
    secrets: list[SecretReference] = shown("Secrets in environment variables.")
