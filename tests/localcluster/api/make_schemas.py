"""Makes merlin/localcluster/api/schemas.json out of what Kubernetes, KServe and the Gateway API publish.

Run it (`python -m tests.localcluster.api.make_schemas`) when their versions in tests/cluster change. Kept of each
definition: types, defaults, limits, list and merge keys, and the first sentence of its description. The custom kinds
repeat the pod's types in full; where a part has the fields of one of Kubernetes' own types, it refers to that instead.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster import binary
from tests.cluster.crds import GATEWAY_API, KSERVE

KUBERNETES: Final = ("k8s.io/kubernetes", "v1.34.3")
PROTOCOL: Final = {
    ("k8s.io/api", "v0.34.3"): (
        *("core/v1", "apps/v1", "autoscaling/v2", "autoscaling/v1", "coordination/v1", "discovery/v1"),
        "authorization/v1",
    ),
    ("k8s.io/apimachinery", "v0.34.3"): ("pkg/apis/meta/v1", "pkg/api/resource", "pkg/util/intstr", "pkg/runtime"),
}
TARGET: Final = Path(__file__).parents[3] / "merlin" / "localcluster" / "api" / "schemas.json"
DOCUMENTS: Final = {
    "api__v1": "Namespace Node Pod Service Secret ConfigMap ServiceAccount Event ResourceQuota Binding",
    "apis__apps__v1": "Deployment ReplicaSet",
    "apis__autoscaling__v2": "HorizontalPodAutoscaler",
    "apis__autoscaling__v1": "Scale",
    "apis__coordination.k8s.io__v1": "Lease",
    "apis__discovery.k8s.io__v1": "EndpointSlice",
    "apis__authorization.k8s.io__v1": "SelfSubjectAccessReview",
}
CUSTOM: Final = {
    GATEWAY_API: (
        "config/crd/standard/gateway.networking.k8s.io_gatewayclasses.yaml",
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    KSERVE: (
        "config/crd/full/serving.kserve.io_inferenceservices.yaml",
        "config/crd/full/serving.kserve.io_servingruntimes.yaml",
        "config/crd/full/serving.kserve.io_clusterservingruntimes.yaml",
    ),
}
PREFERRED: Final = {"InferenceService": "v1beta1", "ServingRuntime": "v1alpha1", "ClusterServingRuntime": "v1alpha1"}
KEPT: Final = (
    *("type", "format", "default", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties", "required", "nullable"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
    *("x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy", "x-kubernetes-int-or-string"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-group-version-kind"),
)
REF: Final = "#/components/schemas/"
META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
Schema = dict[str, Any]


def main() -> None:
    definitions, roots = kubernetes_definitions()
    by_fields = {
        frozenset(definition["properties"]): name
        for name, definition in sorted(definitions.items(), reverse=True)
        if len(definition.get("properties", {})) > 1
    }
    for module, files in CUSTOM.items():
        folder = binary.module_folder(*module)
        for file in files:
            crd = yaml.load((folder / file).read_text(), Loader=yaml.CSafeLoader)
            name, definition = custom_definition(crd, by_fields, definitions)
            definitions[name] = definition
            roots[crd["spec"]["names"]["kind"]] = name
    text = json.dumps({"kinds": roots, "definitions": definitions}, separators=(",", ":"), sort_keys=True)
    TARGET.write_text(text + "\n")
    messages = protocol_messages(definitions, [name for name in roots.values() if name.startswith("io.k8s.api.")])
    written = json.dumps(messages, separators=(",", ":"), sort_keys=True)
    TARGET.with_name("messages.json").write_text(written + "\n")
    print(f"{TARGET}: {len(text) >> 10} KiB, {len(definitions)} definitions")


def kubernetes_definitions() -> tuple[dict[str, Schema], dict[str, str]]:
    """Kubernetes' own definitions that the kinds need, and the definition of each kind."""
    folder = binary.module_folder(*KUBERNETES) / "api" / "openapi-spec" / "v3"
    found: dict[str, Schema] = {}
    roots: dict[str, str] = {}
    for document, kinds in DOCUMENTS.items():
        schemas = json.loads((folder / f"{document}_openapi.json").read_text())["components"]["schemas"]
        wanted = [name for kind in kinds.split() for name in schemas if is_kind(schemas[name], kind, document)]
        roots |= {name.rpartition(".")[2]: name for name in wanted}
        while wanted:
            name = wanted.pop()
            if name not in found:
                found[name] = reduced(schemas[name])
                wanted += references(found[name])
    return found, roots


def is_kind(schema: Schema, kind: str, document: str) -> bool:
    version = document.rpartition("__")[2]
    return any(
        (gvk["kind"], gvk["version"]) == (kind, version) for gvk in schema.get("x-kubernetes-group-version-kind", [])
    )


def protocol_messages(definitions: dict[str, Schema], roots: list[str]) -> dict[str, dict[str, list[str]]]:
    """The protobuf messages that built-in kinds need: field number → name, type and how it stands there."""
    known: dict[str, dict[str, list[str]]] = {}
    for module, folders in PROTOCOL.items():
        for folder in folders:
            text = (binary.module_folder(*module) / folder / "generated.proto").read_text()
            known |= messages_in(text, definitions)
    found: dict[str, dict[str, list[str]]] = {}
    wanted = ["io.k8s.apimachinery.pkg.runtime.Unknown", *roots]
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found[name] = known[name]
            wanted += [kind for _, kind, _ in found[name].values()]
    return found


def messages_in(text: str, definitions: dict[str, Schema]) -> dict[str, dict[str, list[str]]]:
    package = re.search(r"^package k8s\.io\.(.+);", text, re.M)
    assert package is not None
    prefix = f"io.k8s.{package[1]}"
    found = {}
    for message in re.finditer(r"^message (\w+) \{(.*?)^\}", text, re.M | re.S):
        name = f"{prefix}.{message[1]}"
        properties = definitions.get(name, {}).get("properties")
        fields: dict[str, list[str]] = {}
        line = r"^  (?:(optional|repeated) ([\w.]+)|map<string, ([\w.]+)>) (\w+) = (\d+);"
        for field in re.finditer(line, message[2], re.M):
            kind = field[2] or field[3]
            if kind.startswith(".k8s.io."):
                kind = f"io.k8s.{kind.removeprefix('.k8s.io.')}"
            elif kind[0].isupper():
                kind = f"{prefix}.{kind}"
            how = "map" if field[3] else "list" if field[1] == "repeated" else ""
            if properties is not None and field[4] not in properties and not how and "." in kind:
                how = "inline"  # its fields stand in the object itself
            fields[field[5]] = [field[4], kind, how]
        found[name] = fields
    return found


def references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [name for value in schema.values() for name in references(value)]
    return [name for value in schema for name in references(value)] if isinstance(schema, list) else []


def reduced(schema: Schema) -> Schema:
    """What is kept of a schema; a reference is `{"$ref": name}` with what stands beside it."""
    kept: Schema = {key: schema[key] for key in KEPT if key in schema}
    if description := first_sentence(schema.get("description", "")):
        kept["description"] = description
    if "oneOf" in schema and schema.get("format") != "int-or-string" and schema.get("type") != "object":
        kept["x-kubernetes-int-or-string"] = True  # a quantity: string or number
    for part in schema.get("allOf", []):
        if "$ref" in part:
            kept["$ref"] = part["$ref"].removeprefix(REF)
    if "$ref" in schema:
        kept["$ref"] = schema["$ref"].removeprefix(REF)
    if "properties" in schema:
        kept["properties"] = {name: reduced(value) for name, value in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = reduced(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = reduced(schema["additionalProperties"])
    return kept


def first_sentence(text: str) -> str:
    sentence = re.split(r"(?<=[.])\s", " ".join(text.split()), maxsplit=1)[0]
    return sentence if len(sentence) <= 240 else sentence[:239] + "…"


def custom_definition(
    crd: Schema, by_fields: dict[frozenset[str], str], known: dict[str, Schema]
) -> tuple[str, Schema]:
    """The name and definition of a custom kind."""
    spec = crd["spec"]
    kind, group = spec["names"]["kind"], spec["group"]
    versions = {version["name"]: version for version in spec["versions"]}
    version = PREFERRED.get(kind, "v1")
    schema = reduced(versions[version]["schema"]["openAPIV3Schema"])
    schema["properties"] = {name: replaced(value, by_fields, known) for name, value in schema["properties"].items()} | {
        "metadata": {"$ref": META}
    }
    schema["x-kubernetes-group-version-kind"] = [{"group": group, "kind": kind, "version": version}]
    return ".".join([*reversed(group.split(".")), version, kind]), schema


def replaced(schema: Schema, by_fields: dict[frozenset[str], str], known: dict[str, Schema]) -> Schema:
    fields = frozenset(schema.get("properties", {}))
    name = best_match(fields, by_fields) if len(fields) > 1 else None
    if name is not None and not {"pattern", "maxLength"} & set(json.dumps(schema).replace('"', " ").split()):
        kept: Schema = {key: schema[key] for key in ("description", "nullable", "default") if key in schema}
        return {**kept, "$ref": name}
    result = dict(schema)
    if fields:
        result["properties"] = {key: replaced(value, by_fields, known) for key, value in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            result[key] = replaced(schema[key], by_fields, known)
    return result


def best_match(fields: frozenset[str], by_fields: dict[frozenset[str], str]) -> str | None:
    if fields in by_fields:
        return by_fields[fields]
    near = [(len(fields & known) / len(known), name) for known, name in by_fields.items() if fields <= known]
    # Another minor version of Kubernetes, with a field less.
    best = max(near, default=(0.0, ""))
    return best[1] if best[0] >= 0.8 and len(fields) >= 4 else None


if __name__ == "__main__":
    main()
