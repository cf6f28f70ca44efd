"""What a deploy would do: the revision it would make, and every object that it would change."""

from __future__ import annotations

import strawberry

from merlin.kube import changes
from merlin.resolvers import plans
from merlin.schema.context import Info
from merlin.schema.deployment_inputs import DeploymentFields
from merlin.schema.difference import FieldChange
from merlin.schema.enums import register
from merlin.schema.errors import Payload
from merlin.schema.mutation import as_shown, mutation
from merlin.schema.view import shown, view

ChangeAction = changes.ChangeAction
register(
    ChangeAction,
    "What becomes of an object.",
    {
        "CREATE": "It is made.",
        "UPDATE": "Its `fields` change.",
        "DELETE": "It goes, once the new revision answers and the drain of the old one is over.",
        "UNCHANGED": "It stays as it is.",
    },
)


@view(of=changes.ObjectChange)
class ObjectChange:
    """An object in the cluster, and what becomes of it."""

    action: ChangeAction = shown("What becomes of it.")
    api_version: str = shown("Its API group and version.")
    kind: str = shown("Its kind.")
    name: str = shown("Its name.")
    namespace: str | None = shown("Its namespace; null for a namespace itself.")
    fields: list[FieldChange] = shown("The fields that change. Values of a Secret are `***`; none for what goes.")


@view(of=plans.DeploymentPlan)
class DeploymentPlan:
    """What a deploy would do as things stand now. Nothing of it is kept."""

    revision_number: int = shown("The number that its revision would have.")
    service_name: str = shown("The InferenceService it would run in.")
    makes_pods: bool = shown("Whether it needs other pods; false for a change in place.")
    changes: list[ObjectChange] = shown("Objects as they will be once the rollout is over.")


@strawberry.input(description="The deploy to plan: as for `deployVersion`.")
class PlanDeploymentInput(DeploymentFields):
    """See the fields."""


@strawberry.type(description="A deploy that was thought through.")
class PlanDeploymentPayload(Payload):
    """See the fields."""

    plan: DeploymentPlan | None = strawberry.field(default=None, description="What it would do.")


@strawberry.type
class PlanMutations:
    """A part of the root type Mutation."""

    @mutation
    async def plan_deployment(self, info: Info, input: PlanDeploymentInput) -> PlanDeploymentPayload:
        """Say what `deployVersion` would do, without doing it: everything is checked, and the cluster is asked what
        would change (a dry run, by a worker, within 10 seconds). For editors. Changes nothing, so it takes no key."""
        plan = await plans.plan_deployment(info.context, input.as_deployment())
        return PlanDeploymentPayload(plan=as_shown(plan))
