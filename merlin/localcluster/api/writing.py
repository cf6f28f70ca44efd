"""Create, update, patch, apply: from what a request says to what is stored."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from merlin.localcluster.api import decode, defaults, errors, ownership, patch, quota, rules, validate
from merlin.localcluster.api.call import Options, Place
from merlin.localcluster.api.kinds import (
    INFERENCE_SERVICES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Manifest,
    Resource,
)
from merlin.localcluster.api.ownership import Manager, Owners
from merlin.localcluster.api.schema import type_of
from merlin.localcluster.api.store import Store

_ADDRESSES: Final = ("clusterIP", "clusterIPs")
_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_KEPT: Final = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
)


@dataclass(slots=True)
class Answer:
    """An object, the HTTP status it is answered with, and warnings for the header."""

    manifest: Manifest
    status: int = 200
    warnings: list[str] = field(default_factory=list)


def now() -> str:
    """The time as objects carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Writer:
    """The one door to writing objects; whoever calls it has checked who may."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Reading what is there

    def existing(self, place: Place) -> Manifest:
        """The object at that place. Raises Refused (404)."""
        found = self._store.get(place.resource, place.namespace, place.name)
        if found is None:
            raise errors.not_found(place.resource, place.name)
        return found

    # Writing

    def create(self, place: Place, body: Manifest, options: Options) -> Answer:
        """A new object (POST). Raises Refused."""
        body = _addressed(place, body)
        metadata = body["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + _random(5)
        if not metadata.get("name"):
            causes = [errors.required_value("metadata.name", "name or generateName is required")]
            raise errors.invalid(place.resource, "", causes)
        if metadata.get("resourceVersion"):
            raise errors.Refused(500, "", "resourceVersion should not be set on objects to be created")
        named = Place(place.resource, place.namespace, metadata["name"])
        read = _read(place.resource, body, options)
        manager = Manager(options.manager, "Update")
        return self._add(named, read, options, lambda new: _owners_after(named, {}, new, manager))

    def update(self, place: Place, body: Manifest, options: Options) -> Answer:
        """The object replaced (PUT). Raises Refused."""
        live = self.existing(place)
        body = _addressed(place, body)
        version = body["metadata"].get("resourceVersion")
        if not version and place.resource.custom:
            cause = errors.Cause(
                "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
            )
            raise errors.invalid(place.resource, place.name, [cause])
        return self._change(place, live, body, options)

    def patch(self, place: Place, content_type: str, body: Any, options: Options) -> Answer:
        """The object changed (PATCH) by one of the four kinds of patch. Raises Refused."""
        if content_type == patch.APPLY:
            return self._apply(place, body, options)
        live = self.existing(place)
        if content_type == patch.MERGE:
            changed = patch.merge_patched(live, _object(body))
        elif content_type == patch.JSON:
            changed = patch.json_patched(live, body)
        elif content_type == patch.STRATEGIC and not place.resource.custom:
            changed = patch.strategic_patched(live, _object(body), type_of(place.resource))
        else:
            known = [patch.JSON, patch.MERGE, *([] if place.resource.custom else [patch.STRATEGIC]), patch.APPLY]
            raise errors.unsupported_patch(content_type, known)
        return self._change(place, live, _addressed(place, _object(changed)), options, patched=True)

    def replace(self, place: Place, live: Manifest, new: Manifest) -> Manifest:
        """Store ``new`` over ``live`` as the system itself (no checks, no owners)."""
        return new if new == live else self._keep(place.resource, new)

    def _apply(self, place: Place, body: Any, options: Options) -> Answer:
        body = _addressed(place, _object(body))
        if body["metadata"].get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        trouble = decode.unknown_and_mistyped(place.resource, body)
        if trouble is not None:
            about = f"{place.namespace}/{place.name}" if place.namespace else f"/{place.name}"
            kind = f"{place.resource.api_version}, Kind={place.resource.kind}"
            raise errors.Refused(500, "", f"failed to create typed patch object ({about}; {kind}): {trouble}")
        live = self._store.get(place.resource, place.namespace, place.name)
        if live is None and place.subresource:
            raise errors.not_found(place.resource, place.name)
        wanted = _isolated(place, body)
        manager = Manager(options.manager, "Apply", place.subresource)
        if live is None:
            return self._apply_new(place, wanted, manager, options)
        self._check_version(place, live, body)
        if body["metadata"].get("uid") not in (None, live["metadata"]["uid"]):
            cause = errors.invalid_value("metadata.uid", body["metadata"]["uid"], "field is immutable")
            raise errors.invalid(place.resource, place.name, [cause, cause])
        result, owners = ownership.applied(live, wanted, type_of(place.resource), manager, force=options.force)
        head = {"apiVersion": live["apiVersion"], "kind": live["kind"]}
        metadata = {**_system(live), **(result.get("metadata") or {})}
        read = _read(place.resource, {**head, **result, "metadata": metadata}, options)
        return self._store_changed(place, live, read, options, lambda _: owners)

    def _apply_new(self, place: Place, wanted: Manifest, manager: Manager, options: Options) -> Answer:
        if wanted["metadata"].get("uid"):
            why = f"Precondition failed: UID in precondition: {wanted['metadata']['uid']}, UID in object meta: "
            raise errors.conflict(place.resource, place.name, why)
        _, owners = ownership.applied(None, wanted, type_of(place.resource), manager, force=True)
        read = _read(place.resource, wanted, options)
        return self._add(place, read, options, lambda _: owners)

    def _add(
        self, place: Place, read: decode.Decoded, options: Options, owners: Callable[[Manifest], Owners]
    ) -> Answer:
        resource = place.resource
        self._check_namespace(place)
        new = _without_status(resource, read.manifest)
        stamp = now()
        metadata = {
            name: value for name, value in new["metadata"].items() if name not in ("resourceVersion", "managedFields")
        }
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
            metadata.pop(name, None)
        metadata |= {"name": place.name, "uid": str(uuid.uuid4()), "creationTimestamp": stamp}
        if resource.namespaced:
            metadata["namespace"] = place.namespace
        if resource.has_generation:
            metadata["generation"] = 1
        new = self._admitted(resource, defaults.with_defaults(resource, {**new, "metadata": metadata}))
        validate.check(resource, new, None, read.causes)
        if self._store.get(resource, place.namespace, place.name) is not None:
            raise errors.already_exists(resource, place.name)
        quota.admit(self._store, resource, new)
        new = self._signed(new, None, owners(new), resource, stamp)
        if not options.dry_run:
            new = self._keep(resource, new)
            if resource is NAMESPACES:
                self._add_account(place.name)
        return Answer(new, 201, _warnings(read, options))

    def _change(
        self, place: Place, live: Manifest, body: Manifest, options: Options, *, patched: bool = False
    ) -> Answer:
        self._check_version(place, live, body)
        uid = body["metadata"].get("uid")
        if uid and uid != live["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live['metadata']['uid']}"
            raise errors.conflict(place.resource, place.name, why)
        del patched
        read = _read(place.resource, body, options)
        manager = Manager(options.manager, "Update", place.subresource)
        return self._store_changed(place, live, read, options, lambda new: _owners_after(place, live, new, manager))

    def _store_changed(
        self,
        place: Place,
        live: Manifest,
        read: decode.Decoded,
        options: Options,
        owners: Callable[[Manifest], Owners],
    ) -> Answer:
        resource, stamp = place.resource, now()
        new = _merged_part(place, live, read.manifest)
        metadata = {name: value for name, value in new["metadata"].items() if name not in _KEPT and value is not None}
        metadata |= {name: live["metadata"][name] for name in _KEPT if name in live["metadata"]}
        metadata |= {"name": place.name, "resourceVersion": live["metadata"]["resourceVersion"]}
        metadata.pop("selfLink", None)
        if metadata.get("finalizers") == []:
            del metadata["finalizers"]
        new = {**new, "metadata": metadata, "apiVersion": resource.api_version, "kind": resource.kind}
        if place.subresource != "status":
            new = _carried(resource, live, defaults.with_defaults(resource, new))
            if resource is INFERENCE_SERVICES:
                rules.check_unchanged_mode(new, live)
            validate.check(resource, new, live, read.causes)
            if resource.has_generation and _body(new) != _body(live):
                new["metadata"] = {**new["metadata"], "generation": live["metadata"].get("generation", 0) + 1}
        new = self._signed(new, live, owners(new), resource, stamp)
        answer = Answer(new, 200, _warnings(read, options))
        if new == live or options.dry_run:
            return answer
        if "deletionTimestamp" in live["metadata"] and _is_released(new):
            answer.manifest = self._store.remove(resource, new)
        else:
            answer.manifest = self._keep(resource, new)
        return answer

    # What is asked of every object

    def _admitted(self, resource: Resource, new: Manifest) -> Manifest:
        if resource is SERVICES:
            return self._addressed_service(new)
        if resource is PODS:
            self._check_account(new)
        return new

    def _addressed_service(self, new: Manifest) -> Manifest:
        spec = new["spec"]
        if spec["type"] == "ExternalName" or spec.get("clusterIP"):
            return new
        taken = {(one.get("spec") or {}).get("clusterIP", "") for one in self._store.manifests(SERVICES)}
        address = defaults.assigned_address(new["metadata"]["uid"], taken)
        return {**new, "spec": {**spec, "clusterIP": address, "clusterIPs": [address]}}

    def _check_account(self, pod: Manifest) -> None:
        namespace, account = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
        if self._store.get(SERVICE_ACCOUNTS, namespace, account) is None:
            missing = f'serviceaccount "{account}" not found'
            why = f"error looking up service account {namespace}/{account}: {missing}"
            raise errors.forbidden(PODS, pod["metadata"]["name"], why)

    def _check_namespace(self, place: Place) -> None:
        if not place.resource.namespaced:
            return
        if not place.namespace:
            raise errors.bad_request("an empty namespace may not be set during creation")
        namespace = self._store.get(NAMESPACES, "", place.namespace)
        if namespace is None:
            raise errors.not_found(NAMESPACES, place.namespace)
        if "deletionTimestamp" in namespace["metadata"]:
            text = f"namespace {place.namespace} is being terminated"
            why = f"unable to create new content in namespace {place.namespace} because it is being terminated"
            cause = errors.Cause("NamespaceTerminating", "metadata.namespace", text)
            raise errors.forbidden(place.resource, place.name, why, [cause])

    def _check_version(self, place: Place, live: Manifest, body: Manifest) -> None:
        version = body["metadata"].get("resourceVersion")
        if version and version != live["metadata"]["resourceVersion"]:
            raise errors.conflict(place.resource, place.name)

    def _signed(self, new: Manifest, live: Manifest | None, owners: Owners, resource: Resource, stamp: str) -> Manifest:
        metadata = {name: value for name, value in new["metadata"].items() if name != "managedFields"}
        if entries := ownership.entries(owners, live, resource.api_version, stamp):
            metadata["managedFields"] = entries
        rest = {name: part for name, part in new.items() if name not in ("apiVersion", "kind", "metadata")}
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}

    def _keep(self, resource: Resource, new: Manifest) -> Manifest:
        return self._store.put(resource, new)

    def _add_account(self, namespace: str) -> None:
        """A namespace has a service account from its first moment, so that pods can be made in it."""
        place = Place(SERVICE_ACCOUNTS, namespace, "default")
        body: Manifest = {"metadata": {"name": "default"}}
        self.create(place, body, Options("kube-controller-manager"))


def _owners_after(place: Place, live: Manifest, new: Manifest, manager: Manager) -> Owners:
    """The owners once ``manager`` wrote ``new`` through this door, which gives it nothing of what others keep."""
    resource = place.resource

    def part(manifest: Manifest) -> Manifest:
        if place.subresource == "status":
            metadata = {"managedFields": manifest.get("metadata", {}).get("managedFields")}
            return {"metadata": metadata, **({"status": manifest["status"]} if "status" in manifest else {})}
        kept = {name: value for name, value in manifest.items() if name != "status" or not resource.has_status}
        if resource is SERVICES and kept.get("spec"):
            # Given by the system.
            kept["spec"] = {name: value for name, value in kept["spec"].items() if name not in _ADDRESSES}
        return kept

    return ownership.updated(part(live), part(new), type_of(resource), manager)


def _object(body: Any) -> Manifest:
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request is not an object")
    return body


def _addressed(place: Place, body: Manifest) -> Manifest:
    """The body, which must be of the kind, namespace and name that the address says. Raises Refused (400)."""
    resource = place.resource
    version, kind = body.get("apiVersion") or resource.api_version, body.get("kind") or resource.kind
    if version != resource.api_version:
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        raise errors.bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is registered for version "{resource.api_version}"'
        )
    metadata = body.get("metadata")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata is not an object")
    metadata = {name: value for name, value in metadata.items() if value is not None}
    if metadata.get("namespace", place.namespace) != place.namespace and resource.namespaced:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if place.name and metadata.get("name", place.name) != place.name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({place.name})"
        )
    if place.name:
        metadata["name"] = place.name
    if resource.namespaced:
        metadata["namespace"] = place.namespace
    return {**body, "apiVersion": version, "kind": kind, "metadata": metadata}


def _read(resource: Resource, body: Manifest, options: Options) -> decode.Decoded:
    """The body held against its schema. Raises Refused (400, 422)."""
    read = decode.decoded(resource, body)
    if read.wrong_types:
        raise errors.bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            + read.wrong_types[0]
        )
    if read.unknown and options.validation == "Strict":
        listed = ", ".join(f'unknown field "{path}"' for path in read.unknown)
        raise errors.bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {listed}"
        )
    if read.types_wrong:
        name = str(body["metadata"].get("name", ""))
        causes = read.causes
        if resource.group == "gateway.networking.k8s.io":
            why = (
                "some validation rules were not checked because the object was invalid; "
                "correct the existing errors to complete validation"
            )
            causes = [*causes, errors.Cause("FieldValueInvalid", "<nil>", f"Invalid value: null: {why}")]
        raise errors.invalid(resource, name, causes)
    return read


def _isolated(place: Place, body: Manifest) -> Manifest:
    """What of an applied configuration counts at this door: status at its own, the rest at the main one."""
    if place.subresource == "status":
        metadata = body["metadata"]
        if not place.resource.custom:  # of a custom object, labels are owned through this door and yet not written
            metadata = {name: metadata[name] for name in ("name", "namespace") if name in metadata}
        return {
            **{name: body[name] for name in ("apiVersion", "kind")},
            "metadata": metadata,
            "status": body.get("status") or {},
        }
    if place.resource.has_status and "status" in body:
        return {name: part for name, part in body.items() if name != "status"}
    return body


def _merged_part(place: Place, live: Manifest, new: Manifest) -> Manifest:
    """``new`` as far as this door may change the object; the rest as it is."""
    if place.subresource == "status":
        kept = {**live, "metadata": {**live["metadata"]}}
        if place.resource in (NODES, PODS) and "metadata" in new:
            for name in ("labels", "annotations"):
                if name in new["metadata"]:
                    kept["metadata"][name] = new["metadata"][name]
        if new.get("status") is not None:
            kept["status"] = new["status"]
        else:
            kept.pop("status", None)
        return kept
    if place.resource.has_status:
        new = {name: part for name, part in new.items() if name != "status"}
        if "status" in live:
            new["status"] = live["status"]
    return new


def _carried(resource: Resource, live: Manifest, new: Manifest) -> Manifest:
    """What the system gave the object, kept where an update leaves it out."""
    if resource is SERVICES:
        spec, was = new["spec"], live.get("spec") or {}
        kept = {name: was[name] for name in ("clusterIP", "clusterIPs") if name in was and not spec.get(name)}
        return {**new, "spec": {**spec, **kept}} if kept else new
    if resource is PODS:
        spec, was = new["spec"], live["spec"]
        kept = {name: was[name] for name in ("nodeName", "tolerations") if name in was and name not in spec}
        return {**new, "spec": {**spec, **kept}} if kept else new
    return new


def _without_status(resource: Resource, manifest: Manifest) -> Manifest:
    if resource.has_status and resource is not NODES:
        return {name: part for name, part in manifest.items() if name != "status"}
    return manifest


def _body(manifest: Manifest) -> Manifest:
    return {name: part for name, part in manifest.items() if name not in ("metadata", "status", "apiVersion", "kind")}


def _system(live: Manifest) -> Manifest:
    known = (*_KEPT, "name", "resourceVersion", "selfLink", "generateName")
    return {name: live["metadata"][name] for name in known if name in live["metadata"]}


def _is_released(new: Manifest) -> bool:
    """Whether nothing holds a deleted object any more."""
    metadata = new["metadata"]
    held = metadata.get("finalizers") or (new["kind"] == "Namespace" and (new.get("spec") or {}).get("finalizers"))
    return not held and metadata.get("deletionGracePeriodSeconds", 0) == 0


def _warnings(read: decode.Decoded, options: Options) -> list[str]:
    return [f'unknown field "{path}"' for path in read.unknown] if options.validation == "Warn" else []


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
