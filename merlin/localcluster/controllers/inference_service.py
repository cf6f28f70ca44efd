"""InferenceServices: KServe's controller, as far as Standard mode with cluster-local visibility needs it.

It makes Deployment, Service and autoscaler, owns them, and reports what becomes of them. It makes no routes: those of
the Gateway API are Merlin's, and an InferenceService that asks for public ones gets none.
"""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any, Final

from merlin.localcluster.client import KubeClient, Manifest, NotFound, Resource
from merlin.localcluster.controllers import model_status, predictor
from merlin.localcluster.controllers.cache import Cache
from merlin.localcluster.controllers.conditions import ReadyConditions
from merlin.localcluster.controllers.index import Index
from merlin.localcluster.controllers.kinds import (
    AUTOSCALERS,
    CLUSTER_RUNTIMES,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    PODS,
    RUNTIMES,
    SERVICES,
)
from merlin.localcluster.controllers.model_status import INGRESS_READY, PREDICTOR_READY, STOPPED
from merlin.localcluster.controllers.ownership import belongs_to, controller_of
from merlin.localcluster.controllers.recorder import EventLog
from merlin.localcluster.controllers.serving_runtime import InvalidModel, ServingRuntime, runtime_for
from merlin.localcluster.informer import Key
from merlin.localcluster.workqueue import Workqueue

FINALIZER: Final = "inferenceservice.finalizers"
FIELD_MANAGER: Final = "kserve-controller"
DOMAIN: Final = "example.com"

_CHILDREN: Final = {"Service": SERVICES, "Deployment": DEPLOYMENTS, "HorizontalPodAutoscaler": AUTOSCALERS}
_LOOK_AGAIN_SECONDS: Final = 1.0
_LONGEST_LABEL: Final = 63


class Refused(Exception):
    """The predictor cannot be made. ``is_shown`` says whether the status tells it, or only an event."""

    def __init__(self, message: str, *, is_shown: bool) -> None:
        super().__init__(message)
        self.is_shown = is_shown


class InferenceServiceController:
    """Makes the cluster match every InferenceService."""

    def __init__(self, client: KubeClient, cache: Cache, events: EventLog) -> None:
        self._client = client
        self._recorder = events.recorder("v1beta1Controllers")
        self._services = cache.of(INFERENCE_SERVICES)
        self._children = {kind: cache.of(resource) for kind, resource in _CHILDREN.items()}
        self._pods = cache.of(PODS)
        self._pods_by_app = Index(self._pods, _place_and_app)
        self._runtimes = cache.of(RUNTIMES)
        self._cluster_runtimes = cache.of(CLUSTER_RUNTIMES)
        # What was applied last, and the answer: an apply that would change nothing is not sent.
        self._applied: dict[tuple[str, Key], tuple[str, str]] = {}
        self._said: dict[Key, str] = {}
        self._queue: Workqueue[Key] = Workqueue("inferenceservice", self.reconcile)
        self._subscribe()

    async def run(self) -> None:
        """Reconcile until cancelled. The cache must be complete."""
        await self._queue.run()

    def _subscribe(self) -> None:
        self._services.subscribe(lambda before, now: self._add_itself(now or before))
        for informer in self._children.values():
            informer.subscribe(lambda before, now: self._add_owner(now or before))
        self._pods.subscribe(lambda before, now: self._add_labelled(now or before))
        self._runtimes.subscribe(lambda before, now: self._add_all())
        self._cluster_runtimes.subscribe(lambda before, now: self._add_all())

    def _add_itself(self, service: Manifest | None) -> None:
        if service is not None:
            self._queue.add((service["metadata"]["namespace"], service["metadata"]["name"]))

    def _add_owner(self, child: Manifest | None) -> None:
        owner = controller_of(child, "InferenceService") if child is not None else None
        if child is not None and owner is not None:
            self._queue.add((child["metadata"]["namespace"], owner["name"]))

    def _add_labelled(self, pod: Manifest | None) -> None:
        name = ((pod or {}).get("metadata", {}).get("labels") or {}).get(predictor.LABEL)
        if pod is not None and name:
            self._queue.add((pod["metadata"]["namespace"], name))

    def _add_all(self) -> None:
        for key in self._services.store:
            self._queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        """Make the world match the InferenceService of that key, and its status match the world."""
        service = self._services.store.get(key)
        if service is None:
            self._forget(key)
            return None
        if "deletionTimestamp" in service["metadata"]:
            await self._release(service)
            return None
        service = await self._hold(service)
        status, conditions = _opened(service)
        if _mode(service, status) == "Knative":
            status["deploymentMode"] = "Knative"
            self._say(service, "ServerlessModeRejected", _NO_KNATIVE)
            await self._write(service, status, conditions)
            return None
        status["deploymentMode"] = "Standard"
        try:
            await self._settle(service, status, conditions)
        except InvalidModel as invalid:
            model_status.invalid_spec(status, invalid.reason, invalid.message)
            self._say(service, "InternalError", invalid.said)
        except Refused as refused:
            if refused.is_shown:
                status.setdefault("components", {}).setdefault("predictor", {})
                conditions.mark(PREDICTOR_READY, "False", "ReconcileFailed", str(refused))
            self._say(service, "InternalError", str(refused))
        except _LookAgain:
            return _LOOK_AGAIN_SECONDS
        else:
            self._said.pop(key, None)
        await self._write(service, status, conditions)
        return None

    async def _settle(self, service: Manifest, status: dict[str, Any], conditions: ReadyConditions) -> None:
        wanted = self._render(service, status)
        if predictor.is_stopped(service):
            await self._remove(service, list(_CHILDREN))
            _take_stop(service, status, conditions)
        else:
            await asyncio.gather(*(self._apply(manifest) for manifest in wanted))
            made = {manifest["kind"] for manifest in wanted}
            await self._remove(service, [kind for kind in _CHILDREN if kind not in made])
            self._observe(service, status, conditions)
        conditions.mark(STOPPED, "True" if predictor.is_stopped(service) else "False")
        conditions.mark(INGRESS_READY, "True")
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        status["url"] = f"http://{name}-{namespace}.{DOMAIN}"

    def _render(self, service: Manifest, status: dict[str, Any]) -> list[Manifest]:
        spec = service["spec"]["predictor"]
        model = spec.get("model")
        runtime = None
        if model is not None:
            try:
                predictor.check_storage(str(model.get("storageUri") or ""))
            except ValueError as error:
                raise Refused(str(error), is_shown=False) from error
            runtime = self._runtime(service, model)
            ours, other = "clusterServingRuntimeName", "servingRuntimeName"
            if not runtime.of_cluster:
                ours, other = other, ours
            status[ours] = runtime.name
            status.pop(other, None)
        _check_names(service)
        return predictor.children(service, runtime)

    def _runtime(self, service: Manifest, model: dict[str, Any]) -> ServingRuntime:
        namespace = service["metadata"]["namespace"]
        own = [runtime for (where, _), runtime in self._runtimes.store.items() if where == namespace]
        return runtime_for(model, own, self._cluster_runtimes.store.values())

    def _observe(self, service: Manifest, status: dict[str, Any], conditions: ReadyConditions) -> None:
        metadata = service["metadata"]
        name, namespace = predictor.name_of(service), metadata["namespace"]
        deployment = self._children["Deployment"].get(namespace, name)
        if deployment is not None and not belongs_to(deployment, service):
            deployment = None
        url = f"http://{name}-{namespace}.{DOMAIN}"
        model_status.take_deployment(status, conditions, deployment, url)
        if not model_status.take_pods(status, conditions, self._pods_of(service)):
            raise _LookAgain
        status["address"] = {"url": f"http://{name}.{namespace}.svc.cluster.local"}

    def _pods_of(self, service: Manifest) -> list[Manifest]:
        pods = self._pods_by_app.of((service["metadata"]["namespace"], predictor.app_of(service)))
        # Times are whole seconds; of the same one, the pod that came last is the newest.
        pods.reverse()
        return sorted(pods, key=lambda p: str(p["metadata"].get("creationTimestamp", "")), reverse=True)

    async def _apply(self, manifest: Manifest) -> None:
        kind, metadata = manifest["kind"], manifest["metadata"]
        informer, resource = self._children[kind], _CHILDREN[kind]
        memory = kind, (metadata["namespace"], metadata["name"])
        existing = informer.get(metadata["namespace"], metadata["name"])
        wanted = json.dumps(manifest, sort_keys=True)
        if existing is not None and self._applied.get(memory) == (wanted, _essence(existing)):
            return
        answer = await self._client.apply(resource, manifest, field_manager=FIELD_MANAGER)
        informer.note(answer)
        self._applied[memory] = (wanted, _essence(answer))

    async def _remove(self, service: Manifest, kinds: list[str]) -> None:
        """Delete the children of these kinds that are ours."""
        for kind in kinds:
            informer = self._children[kind]
            existing = informer.get(service["metadata"]["namespace"], predictor.name_of(service))
            if existing is None or not belongs_to(existing, service) or "deletionTimestamp" in existing["metadata"]:
                continue
            await _gone(self._client, _CHILDREN[kind], existing)

    async def _hold(self, service: Manifest) -> Manifest:
        """The InferenceService with our finalizer."""
        finalizers = service["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return service
        return await self._patch_finalizers(service, [*finalizers, FINALIZER])

    async def _release(self, service: Manifest) -> None:
        finalizers = service["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            await self._patch_finalizers(service, [one for one in finalizers if one != FINALIZER])

    async def _patch_finalizers(self, service: Manifest, finalizers: list[str]) -> Manifest:
        metadata = service["metadata"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        try:
            answer = await self._client.patch_merge(INFERENCE_SERVICES, metadata["namespace"], metadata["name"], patch)
        except NotFound:
            return service
        if finalizers:
            self._services.note(answer)
        return answer

    async def _write(self, service: Manifest, status: dict[str, Any], conditions: ReadyConditions) -> None:
        status["conditions"] = conditions.stored()
        before = service.get("status") or {}
        if status == before:
            return
        answer = await self._client.update_status(INFERENCE_SERVICES, {**service, "status": status})
        self._services.note(answer)
        was_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in before.get("conditions") or [])
        name = service["metadata"]["name"]
        if not was_ready and conditions.status("Ready") == "True":
            self._recorder.normal(answer, "InferenceServiceReady", f"InferenceService [{name}] is Ready")
        elif was_ready and conditions.status("Ready") == "False":
            because = ", ".join(conditions.not_true())
            message = f"InferenceService [{name}] is no longer Ready because of: {because}"
            self._recorder.warning(answer, "InferenceServiceNotReady", message)

    def _say(self, service: Manifest, reason: str, message: str) -> None:
        """Warn once for as long as it stays so: nothing changes until somebody changes something."""
        key = service["metadata"]["namespace"], service["metadata"]["name"]
        if self._said.get(key) != message:
            self._said[key] = message
            self._recorder.warning(service, reason, message)

    def _forget(self, key: Key) -> None:
        self._said.pop(key, None)
        namespace, name = key
        for kind in _CHILDREN:
            self._applied.pop((kind, (namespace, f"{name}-predictor")), None)


class _LookAgain(Exception):
    """Nothing can be said about the model now."""


_NO_KNATIVE: Final = "It is not possible to use Knative deployment mode when Knative Services are not available"


def _opened(service: Manifest) -> tuple[dict[str, Any], ReadyConditions]:
    """A copy of the status to work on, with conditions that at least say Unknown."""
    status: dict[str, Any] = copy.deepcopy(service.get("status") or {})
    conditions = ReadyConditions(status.get("conditions") or [], (PREDICTOR_READY, INGRESS_READY))
    conditions.initialize()
    status.setdefault("modelStatus", {}).setdefault("transitionStatus", "")
    return status, conditions


def _take_stop(service: Manifest, status: dict[str, Any], conditions: ReadyConditions) -> None:
    if conditions.reason(PREDICTOR_READY) == "Stopped":
        return
    # KServe clears everything but the mode, observedGeneration included.
    status.clear()
    status["deploymentMode"] = "Standard"
    status["modelStatus"] = {"transitionStatus": ""}
    conditions.mark(PREDICTOR_READY, "False", "Stopped")


def _mode(service: Manifest, status: dict[str, Any]) -> str:
    annotated = (service["metadata"].get("annotations") or {}).get(predictor.MODE, "Standard")
    mode = str(status.get("deploymentMode") or annotated)
    return {"RawDeployment": "Standard", "Serverless": "Knative"}.get(mode, mode)


def _check_names(service: Manifest) -> None:
    metadata = service["metadata"]
    mode = (metadata.get("annotations") or {}).get(predictor.MODE, "Standard")
    prefix = "fails to create NewRawKubeReconciler for predictor: "
    if mode not in ("Standard", "RawDeployment"):
        raise Refused(f"{prefix}unsupported deployment mode for workload: {mode}", is_shown=True)
    label = f"{predictor.name_of(service)}-{metadata['namespace']}"
    if len(label) > _LONGEST_LABEL:
        raise Refused(
            f'{prefix}failed creating host name: invalid domain name "{label}.{DOMAIN}": url: Invalid value: '
            f'"{label}": must be no more than 63 characters',
            is_shown=True,
        )


async def _gone(client: KubeClient, resource: Resource, existing: Manifest) -> None:
    metadata = existing["metadata"]
    try:
        await client.delete(
            resource, metadata["namespace"], metadata["name"], uid=metadata["uid"], propagation="Background"
        )
    except NotFound:
        return


def _essence(item: Manifest) -> str:
    """What of an object an apply of ours could have to mend: everything but the status and what the server counts."""
    metadata = item["metadata"]
    kept = {key: metadata.get(key) for key in ("uid", "labels", "annotations", "ownerReferences")}
    return json.dumps({"metadata": kept, "spec": item.get("spec")}, sort_keys=True)


def _place_and_app(pod: Manifest) -> tuple[str, str] | None:
    app = (pod["metadata"].get("labels") or {}).get("app")
    return (pod["metadata"]["namespace"], app) if app else None
