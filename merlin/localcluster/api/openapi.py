"""OpenAPI v3 documents out of the schemas: what `kubectl explain`, `diff` and `apply` ask for."""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Final

import orjson

from merlin.localcluster.api.discovery import group_versions
from merlin.localcluster.api.kinds import RESOURCES, Manifest, Resource
from merlin.localcluster.api.schema import document

_REF: Final = "#/components/schemas/"
_WRITE_OPTIONS: Final = ("fieldValidation", "dryRun", "fieldManager", "force")


@functools.cache
def index() -> bytes:
    """Which document describes which group and version."""
    paths = {}
    for group, version in group_versions():
        path = _path(group, version)
        digest = hashlib.sha256(describing(path) or b"").hexdigest()[:32]
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return orjson.dumps({"paths": paths})


@functools.cache
def describing(path: str) -> bytes | None:
    """The document of a group and version ("apis/apps/v1"), ``None`` when it is not served."""
    served = [resource for resource in RESOURCES if _path(resource.group, resource.version) == path]
    if not served:
        return None
    schemas: dict[str, Any] = {}
    for resource in served:
        _gather(document()["kinds"][resource.kind], schemas)
    paths = {url: operations for resource in served for url, operations in _paths(path, resource).items()}
    info = {"title": "Kubernetes", "version": "merlin"}
    return orjson.dumps({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}})


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _gather(name: str, schemas: dict[str, Any]) -> None:
    if name not in schemas:
        schemas[name] = {}
        schemas[name] = _published(document()["definitions"][name], schemas)


def _published(node: Any, schemas: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_published(one, schemas) for one in node]
    if not isinstance(node, dict):
        return node
    result = {key: _published(value, schemas) for key, value in node.items() if key != "$ref"}
    reference = node.get("$ref")
    if isinstance(reference, str):
        _gather(reference, schemas)
        if not result:
            return {"$ref": _REF + reference}
        result["allOf"] = [{"$ref": _REF + reference}]
    return result


def _paths(path: str, resource: Resource) -> Manifest:
    place = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"/{path}{place}/{resource.plural}"
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    one = {"schema": {"$ref": _REF + document()["kinds"][resource.kind]}}

    def operation(action: str, media: tuple[str, ...] = ()) -> Manifest:
        found: Manifest = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind}
        if action in ("post", "put", "patch"):
            options = ({"name": name, "in": "query", "schema": {"type": "string"}} for name in _WRITE_OPTIONS)
            found["parameters"] = list(options)
            found["requestBody"] = {"content": dict.fromkeys(media or ("*/*",), one)}
        found["responses"] = {"200": {"description": "OK", "content": {"application/json": one}}}
        return found

    patches: tuple[str, ...] = (
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    )
    if not resource.custom:
        patches = (*patches, "application/strategic-merge-patch+json")
    paths = {collection: {"post": operation("post")}}
    if "get" in resource.verbs:
        paths[collection] |= {"get": operation("list")}
        paths[f"{collection}/{{name}}"] = {
            "get": operation("get"),
            "put": operation("put"),
            "delete": operation("delete"),
            "patch": operation("patch", patches),
        }
    return paths
