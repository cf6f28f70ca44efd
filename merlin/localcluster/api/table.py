"""Lists as tables, the way kubectl shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from merlin.localcluster.api import kinds
from merlin.localcluster.api.kinds import Manifest, Resource

Column = tuple[str, Callable[[Manifest], Any]]


def table_of(manifests: Iterable[Manifest], resource: Resource, metadata: Manifest, include: str) -> Manifest:
    """A `Table`; ``include`` says how much of each object goes with its row (None, Metadata, Object)."""
    columns = [("Name", _name), *_COLUMNS.get(resource.key, (("Age", _age),))]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(name) for name, _ in columns],
        "rows": [_row(manifest, columns, include) for manifest in manifests],
    }


def _definition(name: str) -> Manifest:
    wide = name.startswith("+")
    return {
        "name": name.removeprefix("+"),
        "type": "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": int(wide),
    }


def _row(manifest: Manifest, columns: list[Column], include: str) -> Manifest:
    row: Manifest = {"cells": [read(manifest) for _, read in columns]}
    if include == "Object":
        row["object"] = manifest
    elif include != "None":
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        row["object"] = {**partial, "metadata": manifest["metadata"]}
    return row


def _at(path: str, default: Any = "") -> Callable[[Manifest], Any]:
    steps = path.split(".")

    def read(manifest: Any) -> Any:
        for step in steps:
            manifest = manifest.get(step) if isinstance(manifest, dict) else None
        return default if manifest is None else manifest

    return read


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _since(stamp: str | None) -> str:
    """How long ago, as kubectl says it: 5s, 3m20s, 2h, 4d."""
    if not stamp:
        return "<unknown>"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}h"
    return f"{seconds // 86400}d"


def _age(manifest: Manifest) -> str:
    return _since(manifest["metadata"].get("creationTimestamp"))


def _condition(kind: str, field: str = "status") -> Callable[[Manifest], str]:
    def read(manifest: Manifest) -> str:
        for condition in (manifest.get("status") or {}).get("conditions") or []:
            if condition.get("type") == kind:
                return str(condition.get(field, ""))
        return ""

    return read


def _containers(pod: Manifest) -> list[Manifest]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _pod_ready(pod: Manifest) -> str:
    return f"{sum(bool(one.get('ready')) for one in _containers(pod))}/{len(pod['spec'].get('containers') or [])}"


def _pod_status(pod: Manifest) -> str:
    """As `kubectl get pods` works it out: the reason of a container that waits or has ended, else the phase."""
    status = pod.get("status") or {}
    reason = str(status.get("reason") or status.get("phase", ""))
    for index, one in enumerate(status.get("initContainerStatuses") or []):
        state = one.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        why = (ended or state.get("waiting") or {}).get("reason") or ""
        if why and why != "PodInitializing":
            return f"Init:{why}"
        return f"Init:{index}/{len(pod['spec'].get('initContainers') or [])}"
    for one in _containers(pod):
        state = one.get("state") or {}
        shown = state.get("waiting") or state.get("terminated") or {}
        reason = shown.get("reason") or reason
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    return reason


def _pod_restarts(pod: Manifest) -> str:
    count = sum(int(one.get("restartCount", 0)) for one in _containers(pod))
    ended = [
        stamp
        for one in _containers(pod)
        if (stamp := ((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    ]
    return f"{count} ({_since(max(ended))} ago)" if count and ended else str(count)


def _ports(service: Manifest) -> str:
    shown = [f"{port['port']}/{port.get('protocol', 'TCP')}" for port in service["spec"].get("ports") or []]
    return ",".join(shown) or "<none>"


def _pairs(path: str) -> Callable[[Manifest], str]:
    read = _at(path, {})
    return lambda manifest: ",".join(f"{key}={value}" for key, value in read(manifest).items()) or "<none>"


def _node_ready(node: Manifest) -> str:
    ready = {"True": "Ready", "False": "NotReady"}.get(_condition("Ready")(node), "Unknown")
    return ready + (",SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else "")


def _deployment_ready(deployment: Manifest) -> str:
    ready = _at("status.readyReplicas", 0)(deployment)
    return f"{ready}/{_at('spec.replicas', 0)(deployment)}"


def _event_object(event: Manifest) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_seen(event: Manifest) -> str:
    return _since(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))


def _endpoints(endpoint_slice: Manifest) -> str:
    addresses = [one for point in endpoint_slice.get("endpoints") or [] for one in point.get("addresses") or []]
    return ",".join(addresses[:3]) + (f" + {len(addresses) - 3} more..." if len(addresses) > 3 else "") or "<unset>"


def _slice_ports(endpoint_slice: Manifest) -> str:
    return ",".join(str(port.get("port")) for port in endpoint_slice.get("ports") or []) or "<unset>"


def _quota_requests(listed: str) -> Callable[[Manifest], str]:
    def read(found: Manifest) -> str:
        used = _at("status.used", {})(found)
        hard = (found.get("spec") or {}).get("hard") or {}
        chosen = [key for key in sorted(hard) if key.startswith("limits.") == (listed == "limits")]
        return ", ".join(f"{key}: {used.get(key, 0)}/{hard[key]}" for key in chosen)

    return read


def _targets(autoscaler: Manifest) -> str:
    spec = autoscaler.get("spec") or {}
    named = ((one.get("resource") or {}) for one in spec.get("metrics") or [])
    return ", ".join(
        f"{one.get('name')}: <unknown>/{(one.get('target') or {}).get('averageUtilization', '')}%" for one in named
    )


def _count(path: str) -> Callable[[Manifest], int]:
    read = _at(path, {})
    return lambda manifest: len(read(manifest))


def _hostnames(route: Manifest) -> str:
    names = (route.get("spec") or {}).get("hostnames")
    return '["' + '","'.join(names) + '"]' if names else ""


def _addresses(gateway: Manifest) -> str:
    return ",".join(one.get("value", "") for one in _at("status.addresses", [])(gateway))


def _formats(runtime: Manifest) -> str:
    formats = (runtime.get("spec") or {}).get("supportedModelFormats") or []
    return str(formats[0].get("name", "")) if formats else ""


def _runtime_containers(runtime: Manifest) -> str:
    containers = (runtime.get("spec") or {}).get("containers") or []
    return str(containers[0].get("name", "")) if containers else ""


def _of_containers(field: str) -> Callable[[Manifest], str]:
    read = _at("spec.template.spec.containers", [])
    return lambda manifest: ",".join(str(one.get(field, "")) for one in read(manifest))


_SELECTOR: Final = ("+Selector", _pairs("spec.selector.matchLabels"))
_CONTAINERS: Final = ("+Containers", _of_containers("name"))
_IMAGES: Final = ("+Images", _of_containers("image"))
_COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    kinds.NAMESPACES.key: (("Status", _at("status.phase")), ("Age", _age)),
    kinds.NODES.key: (
        ("Status", _node_ready),
        ("Roles", lambda _: "<none>"),
        ("Age", _age),
        ("Version", _at("status.nodeInfo.kubeletVersion")),
    ),
    kinds.PODS.key: (
        ("Ready", _pod_ready),
        ("Status", _pod_status),
        ("Restarts", _pod_restarts),
        ("Age", _age),
        ("+IP", _at("status.podIP", "<none>")),
        ("+Node", _at("spec.nodeName", "<none>")),
        ("+Nominated Node", _at("status.nominatedNodeName", "<none>")),
        ("+Readiness Gates", lambda _: "<none>"),
    ),
    kinds.SERVICES.key: (
        ("Type", _at("spec.type")),
        ("Cluster-IP", _at("spec.clusterIP", "<none>")),
        ("External-IP", lambda _: "<none>"),
        ("Port(s)", _ports),
        ("Age", _age),
        ("+Selector", _pairs("spec.selector")),
    ),
    kinds.SECRETS.key: (("Type", _at("type")), ("Data", _count("data")), ("Age", _age)),
    kinds.CONFIG_MAPS.key: (("Data", _count("data")), ("Age", _age)),
    kinds.SERVICE_ACCOUNTS.key: (("Secrets", _count("secrets")), ("Age", _age)),
    kinds.EVENTS.key: (
        ("Last Seen", _event_seen),
        ("Type", _at("type")),
        ("Reason", _at("reason")),
        ("Object", _event_object),
        ("Message", _at("message")),
    ),
    kinds.RESOURCE_QUOTAS.key: (
        ("Request", _quota_requests("requests")),
        ("Limit", _quota_requests("limits")),
        ("Age", _age),
    ),
    kinds.LEASES.key: (("Holder", _at("spec.holderIdentity")), ("Age", _age)),
    kinds.ENDPOINT_SLICES.key: (
        ("AddressType", _at("addressType")),
        ("Ports", _slice_ports),
        ("Endpoints", _endpoints),
        ("Age", _age),
    ),
    kinds.DEPLOYMENTS.key: (
        ("Ready", _deployment_ready),
        ("Up-to-date", _at("status.updatedReplicas", 0)),
        ("Available", _at("status.availableReplicas", 0)),
        ("Age", _age),
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    kinds.REPLICA_SETS.key: (
        ("Desired", _at("spec.replicas", 0)),
        ("Current", _at("status.replicas", 0)),
        ("Ready", _at("status.readyReplicas", 0)),
        ("Age", _age),
        _CONTAINERS,
        _IMAGES,
        _SELECTOR,
    ),
    kinds.AUTOSCALERS.key: (
        ("Reference", lambda one: f"{_at('spec.scaleTargetRef.kind')(one)}/{_at('spec.scaleTargetRef.name')(one)}"),
        ("Targets", _targets),
        ("MinPods", _at("spec.minReplicas", 1)),
        ("MaxPods", _at("spec.maxReplicas", 0)),
        ("Replicas", _at("status.currentReplicas", 0)),
        ("Age", _age),
    ),
    kinds.INFERENCE_SERVICES.key: (
        ("URL", _at("status.url")),
        ("Ready", _condition("Ready")),
        ("Prev", lambda _: ""),
        ("Latest", lambda _: ""),
        ("PrevRolledoutRevision", lambda _: ""),
        ("LatestReadyRevision", lambda _: ""),
        ("Age", _age),
    ),
    kinds.SERVING_RUNTIMES.key: (
        ("Disabled", _at("spec.disabled")),
        ("ModelType", _formats),
        ("Containers", _runtime_containers),
        ("Age", _age),
    ),
    kinds.CLUSTER_RUNTIMES.key: (
        ("Disabled", _at("spec.disabled")),
        ("ModelType", _formats),
        ("Containers", _runtime_containers),
        ("Age", _age),
    ),
    kinds.GATEWAYS.key: (
        ("Class", _at("spec.gatewayClassName")),
        ("Address", _addresses),
        ("Programmed", _condition("Programmed")),
        ("Age", _age),
    ),
    kinds.GATEWAY_CLASSES.key: (
        ("Controller", _at("spec.controllerName")),
        ("Accepted", _condition("Accepted")),
        ("Age", _age),
    ),
    kinds.HTTP_ROUTES.key: (("Hostnames", _hostnames), ("Age", _age)),
}
