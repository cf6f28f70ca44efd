"""The Open Inference Protocol (V2) over JSON: requests to arrays, results to answers.

Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md. What is not JSON here: nothing; the
binary tensor extension is refused by its header. Sizes in a request are claims and are checked against the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from merlin_runtime.conform import Conformer
from merlin_runtime.datatypes import NUMPY_OF_V2, Array, InvalidRequest, read_values
from merlin_runtime.inputs import Inputs, table
from merlin_runtime.jsontext import decode_json, dump
from merlin_runtime.outputs import Output


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A decoded request: who asks (``id``), with what, and which ``outputs`` are wanted (None: all)."""

    id: str | None
    inputs: Inputs
    params: Mapping[str, Any]
    outputs: tuple[str, ...] | None


def read_request(body: bytes, conformer: Conformer) -> InferRequest:
    """The request in a body. Raises InvalidRequest."""
    message = decode_json(body)
    if not isinstance(message, dict):
        raise InvalidRequest("a JSON object with `inputs` expected")
    identity = message.get("id")
    if identity is not None and not isinstance(identity, str):
        raise InvalidRequest("`id` must be a string")
    parameters = message.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidRequest("`parameters` must be an object")
    tensors = _tensors(message.get("inputs"))
    inputs = _inputs(tensors, parameters.get("content_type"), conformer)
    return InferRequest(identity, inputs, parameters, _wanted(message.get("outputs")))


def _tensors(entries: Any) -> dict[str, Array]:
    if not isinstance(entries, list) or not entries:
        raise InvalidRequest("`inputs` must be a list with at least one tensor {name, shape, datatype, data}")
    tensors: dict[str, Array] = {}
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise InvalidRequest(f"inputs[{index}] must be an object with a `name`")
        if name in tensors:
            raise InvalidRequest(f"input {name!r} is given twice")
        try:
            tensors[name] = _tensor(entry)
        except InvalidRequest as error:
            raise InvalidRequest(f"input {name!r}: {error}") from error
    return tensors


def _tensor(entry: Mapping[str, Any]) -> Array:
    datatype, shape, data = entry.get("datatype"), entry.get("shape"), entry.get("data")
    if not isinstance(datatype, str) or datatype not in NUMPY_OF_V2:
        raise InvalidRequest(f"`datatype` must be one of {', '.join(NUMPY_OF_V2)}, not {datatype!r}")
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidRequest(f"`shape` must be a list of whole numbers, not {shape!r}")
    if not isinstance(data, list):
        raise InvalidRequest("`data` must be a list of values")
    values = read_values(data, datatype)
    wanted = tuple(shape)
    if values.shape == wanted:
        return values
    if values.size != prod(wanted) or (values.ndim != 1 and values.size):
        raise InvalidRequest(f"`shape` {shape} does not match the data, whose shape is {list(values.shape)}")
    return values.reshape(wanted)


def _inputs(tensors: Mapping[str, Array], content_type: Any, conformer: Conformer) -> Inputs:
    signature = conformer.signature
    if len(tensors) == 1:
        name, array = next(iter(tensors.items()))
        if content_type != "pd" and _stands_for_all(name, array, conformer):
            try:
                return conformer.single(array)
            except InvalidRequest as error:
                raise InvalidRequest(f"input {name!r}: {error}") from error
    if content_type == "pd" and not signature.columns and not signature.tensors:
        return table(tuple(tensors), [_flat(name, array) for name, array in tensors.items()])
    return conformer.named(tensors)


def _stands_for_all(name: str, array: Array, conformer: Conformer) -> bool:
    """Whether the only tensor is the whole input and not merely one column of it."""
    signature = conformer.signature
    if signature.tensors:
        return signature.tensors[0].name is None or (len(signature.tensors) == 1 and signature.tensors[0].name != name)
    if name in signature.column_names:
        return False
    return array.ndim > 1 or conformer.width <= 1


def _flat(name: str, array: Array) -> Array:
    if array.ndim != 1 and array.shape[1:] != (1,):
        raise InvalidRequest(f"input {name!r}: shape [rows] or [rows, 1] expected, found {list(array.shape)}")
    return array.reshape(-1)


def _wanted(entries: Any) -> tuple[str, ...] | None:
    if entries is None or entries == []:
        return None
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("name"), str) for e in entries
    ):
        raise InvalidRequest("`outputs` must be a list of objects with a `name`")
    return tuple(entry["name"] for entry in entries)


def chosen(outputs: Sequence[Output], wanted: tuple[str, ...] | None) -> Sequence[Output]:
    """The outputs that were asked for, in that order. Raises InvalidRequest for unknown ones."""
    if wanted is None:
        return outputs
    by_name = {output.name: output for output in outputs}
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise InvalidRequest(f"the model has no outputs {unknown}; it has {list(by_name)}")
    return [by_name[name] for name in wanted]


def write_answer(model: str, version: str, identity: str | None, outputs: Sequence[Output]) -> bytes:
    """The body of an answer. NaN and infinity are `null`, as JSON has no word for them."""
    answer: dict[str, Any] = {"model_name": model}
    if version:
        answer["model_version"] = version
    if identity is not None:
        answer["id"] = identity
    answer["outputs"] = [_entry(output) for output in outputs]
    return dump(answer)


def _entry(output: Output) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": output.name,
        "shape": output.shape,
        "datatype": output.datatype,
        "data": output.data,
    }
    if output.content_type:
        entry["parameters"] = {"content_type": output.content_type}
    return entry
