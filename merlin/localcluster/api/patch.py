"""What a patch makes of an object: merge patch, JSON patch, strategic merge patch. (Apply: see ownership.py.)"""

from __future__ import annotations

import copy
from typing import Any, Final

import jsonpatch

from merlin.localcluster.api.errors import Refused, bad_request
from merlin.localcluster.api.kinds import Manifest
from merlin.localcluster.api.schema import ANY, Type

MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_ORDER: Final = "$setElementOrder/"
_DROP: Final = "$deleteFromPrimitiveList/"
_RETAIN: Final = "$retainKeys"


def merge_patched(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), part)
    return result


def json_patched(value: Manifest, patch: Any) -> Any:
    """RFC 6902. Raises Refused (400 not a patch, 422 does not fit)."""
    try:
        return jsonpatch.apply_patch(copy.deepcopy(value), patch)
    except jsonpatch.JsonPatchTestFailed as error:
        raise Refused(422, "Invalid", f"testing value failed: {error}") from error
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise Refused(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from error


def strategic_patched(value: Any, patch: Any, kind: Type) -> Any:
    """As kubectl patches built-in kinds: lists with a merge key are merged by it. Raises Refused (400)."""
    if not isinstance(patch, dict):
        return patch
    live = value if isinstance(value, dict) else {}
    match patch.get("$patch"):
        case "delete":
            return None
        case "replace":
            return {name: part for name, part in patch.items() if name != "$patch"}
        case "merge" | None:
            pass
        case other:
            raise bad_request(f"Unknown patch type: {other} in map: {patch}")
    result = dict(live)
    if _RETAIN in patch:
        result = {name: part for name, part in result.items() if name in patch[_RETAIN]}
    orders = {name.removeprefix(_ORDER): part for name, part in patch.items() if name.startswith(_ORDER)}
    for name, part in patch.items():
        if name.startswith(_DROP):
            field = name.removeprefix(_DROP)
            result[field] = [item for item in result.get(field) or [] if item not in part]
        elif not name.startswith("$"):
            _put(result, name, part, kind.child(name))
    for name, order in orders.items():
        if isinstance(result.get(name), list):
            field = kind.child(name)
            result[name] = _ordered(live.get(name) or [], result[name], order, field.merge_key)
    return result


def _put(result: Manifest, name: str, part: Any, kind: Type) -> None:
    if part is None:
        result.pop(name, None)
    elif isinstance(part, list):
        result[name] = _merged_list(result.get(name) or [], part, kind)
    elif isinstance(part, dict):
        merged = strategic_patched(result.get(name), part, kind)
        if merged is None:
            result.pop(name, None)
        else:
            result[name] = merged
    else:
        result[name] = part


def _merged_list(live: list[Any], patch: list[Any], kind: Type) -> list[Any]:
    if not kind.merges_lists:
        return patch
    if kind.merge_key is None:
        return _ordered(live, [*live, *(item for item in patch if item not in live)], patch, None)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    result = list(live)
    for item in patch:
        if not isinstance(item, dict) or kind.merge_key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {kind.merge_key}")
        at = next((i for i, one in enumerate(result) if one.get(kind.merge_key) == item[kind.merge_key]), None)
        if item.get("$patch") == "delete":
            result = [one for one in result if one.get(kind.merge_key) != item[kind.merge_key]]
        elif at is None:
            result.append(strategic_patched({}, item, kind.element or ANY))
        else:
            result[at] = strategic_patched(result[at], item, kind.element or ANY)
    return _ordered(live, result, patch, kind.merge_key)


def _ordered(live: list[Any], items: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """What the patch names in its order, and the rest where it was before."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    places = {_hashable(name(item)): place for place, item in enumerate(live)}
    wanted = {_hashable(name(item)): place for place, item in enumerate(order)}
    named = sorted(
        (item for item in items if _hashable(name(item)) in wanted), key=lambda one: wanted[_hashable(name(one))]
    )
    rest = [item for item in items if _hashable(name(item)) not in wanted]
    result = []
    while named and rest:
        mine, other = (places.get(_hashable(name(one[0])), -1) for one in (named, rest))
        result.append((named if mine <= other else rest).pop(0))
    return result + named + rest


def _hashable(value: Any) -> str:
    return repr(value)
