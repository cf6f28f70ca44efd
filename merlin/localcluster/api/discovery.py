"""What the API says of itself: groups, versions, kinds."""

from __future__ import annotations

from typing import Any, Final

from merlin.localcluster.api.kinds import RESOURCES, Manifest, Resource

KUBERNETES_VERSION: Final = "v1.34.3"
_VERSION: Final = {
    "major": "1",
    "minor": "34",
    "gitVersion": f"{KUBERNETES_VERSION}+merlin",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "merlin/local",
}


def answer(path: str) -> Manifest | None:
    """The document at a path of the discovery API, ``None`` when it is none of its."""
    match path.strip("/").split("/"):
        case ["version"]:
            return dict(_VERSION)
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(name) for name in _groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in _groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", version]:
            return _resources("", version)
        case ["apis", group, version]:
            return _resources(group, version)
    return None


def in_one(path: str) -> Manifest | None:
    """Every group with its kinds in one answer (aggregated discovery, v2), at /api and at /apis."""
    groups = {"/api": [""], "/apis": _groups()}.get(path.rstrip("/"))
    if groups is None:
        return None
    items = [{"metadata": {"name": group, "creationTimestamp": None}, "versions": _versions(group)} for group in groups]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _versions(group: str) -> list[Manifest]:
    versions = sorted((version for one, version in group_versions() if one == group), reverse=True)
    return [
        {
            "version": version,
            "resources": [
                _discovered(resource)
                for resource in RESOURCES
                if (resource.group, resource.version) == (group, version)
            ],
            "freshness": "Current",
        }
        for version in versions
    ]


def _discovered(resource: Resource) -> Manifest:
    whole, *parts = _entries(resource)
    found: Manifest = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": whole["singularName"],
        "verbs": whole["verbs"],
    }
    found |= {name: whole[name] for name in ("shortNames", "categories") if name in whole}
    if parts:
        found["subresources"] = [
            {
                "subresource": part["name"].partition("/")[2],
                "responseKind": {
                    "group": part.get("group", resource.group),
                    "version": part.get("version", resource.version),
                    "kind": part["kind"],
                },
                "verbs": part["verbs"],
            }
            for part in parts
        ]
    return found


def group_versions() -> list[tuple[str, str]]:
    """Every (group, version), the core group first."""
    return sorted({(resource.group, resource.version) for resource in RESOURCES})


def _groups() -> list[str]:
    return sorted({resource.group for resource in RESOURCES if resource.group})


def _group(name: str) -> Manifest:
    # The newest is preferred.
    versions = sorted((version for group, version in group_versions() if group == name), reverse=True)
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group: str, version: str) -> Manifest | None:
    served = [resource for resource in RESOURCES if (resource.group, resource.version) == (group, version)]
    if not served:
        return None
    entries = [entry for resource in served for entry in _entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": entries,
    }


def _entries(resource: Resource) -> list[Manifest]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_part(resource, name) for name in resource.subresources)]


def _part(resource: Resource, name: str) -> Manifest:
    part = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    match name:
        case "scale":
            part |= {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
        case "log":
            part |= {"kind": resource.kind, "verbs": ["get"]}
        case "binding":
            part |= {"kind": "Binding", "verbs": ["create"]}
        case "eviction":
            part |= {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
        case _:
            part |= {"kind": resource.kind, "verbs": ["get", "patch", "update"]}
    return part
