"""What an operation costs, before it runs. The formula is public (docs/graphql.md) and frozen: a change breaks callers.

- A scalar or enum field costs 0; a field of an object, interface or union costs 1 and what is selected in it.
- Every mutation costs 10 more.
- A field with ``first`` or ``last`` (20 when neither is given) multiplies what is under its ``nodes`` and ``edges``;
  one with ``tail`` (100 when not given) what is under its ``lines``; one with ``ids`` is multiplied itself.
- A fragment counts where it is spread, and as though all type conditions held; @skip and @include change nothing.

A document is compiled once into a small tree; only numbers that come from variables are looked up per request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    value_from_ast_untyped,
)

MUTATION_COST = 10
DEFAULT_PAGE = 20
DEFAULT_TAIL = 100
_MULTIPLIED = {"nodes", "edges", "lines"}
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Size:
    """How many: a number, or a variable's value (of a list: its length)."""

    number: int = 1
    variable: str | None = None

    def of(self, variables: Mapping[str, Any]) -> int:
        if self.variable is None:
            return self.number
        value = variables.get(self.variable)
        if isinstance(value, list):
            return len(value)
        return max(value, 0) if isinstance(value, int) else self.number


_ONE = _Size()


@dataclass(frozen=True, slots=True)
class _Item:
    """A field: its own cost, how often it comes, and what is in it."""

    own: int
    times: _Size
    children: tuple[_Item, ...]

    def cost(self, variables: Mapping[str, Any], known: dict[int, int]) -> int:
        """Its cost; ``known`` keeps those of shared items (fragments), else a chain of them would take for ever."""
        cost = known.get(id(self))
        if cost is None:
            within = self.own + sum(child.cost(variables, known) for child in self.children)
            cost = known[id(self)] = min(within * self.times.of(variables), _MOST)
        return cost


@dataclass(frozen=True, slots=True)
class CostPlan:
    """A compiled operation."""

    items: tuple[_Item, ...]
    defaults: Mapping[str, Any]

    def cost(self, variables: Mapping[str, Any] | None) -> int:
        """The operation's cost with these variables."""
        given = {**self.defaults, **(variables or {})}
        known: dict[int, int] = {}
        return sum(item.cost(given, known) for item in self.items)


def compile_cost(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> CostPlan:
    """The cost of a valid operation as a function of its variables."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    root = schema.get_root_type(operation.operation)
    own = MUTATION_COST if operation.operation is OperationType.MUTATION else 0
    items = _Compiler(schema, fragments).items(operation.selection_set, root, _ONE, own)
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    return CostPlan(items, defaults)


class _Compiler:
    """Each fragment is compiled once per multiplier: a chain of fragments cannot blow up."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._compiled: dict[tuple[str, _Size], tuple[_Item, ...]] = {}

    def items(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, size: _Size, more: int = 0
    ) -> tuple[_Item, ...]:
        found: list[_Item] = []
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                found += self._field(selection, parent, size, more)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on = self._schema.get_type(condition.name.value) if condition else parent
                found += self.items(selection.selection_set, on, size, more)
            elif isinstance(selection, FragmentSpreadNode):
                found += self._fragment(selection.name.value, size, more)
        return tuple(found)

    def _fragment(self, name: str, size: _Size, more: int) -> tuple[_Item, ...]:
        key = (name, size)
        if key not in self._compiled:
            fragment = self._fragments[name]
            on = self._schema.get_type(fragment.type_condition.name.value)
            self._compiled[key] = (_Item(0, _ONE, self.items(fragment.selection_set, on, size, more)),)
        return self._compiled[key]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, size: _Size, more: int) -> tuple[_Item, ...]:
        name = node.name.value
        if name.startswith("__") or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return ()
        definition = parent.fields.get(name)
        if definition is None:
            return ()
        kind = get_named_type(definition.type)
        if is_leaf_type(kind) or node.selection_set is None:
            return (_Item(more, _ONE, ()),) if more else ()
        times = size if name in _MULTIPLIED else _ONE
        if "ids" in definition.args:
            times = _size(node, "ids", 1)
        children = self.items(node.selection_set, kind, _page_of(node, definition))
        return (_Item(1 + more, times, children),)


def _page_of(node: FieldNode, definition: GraphQLField) -> _Size:
    if "first" in definition.args:
        given = {argument.name.value for argument in node.arguments or ()}
        return _size(node, "last" if "last" in given and "first" not in given else "first", DEFAULT_PAGE)
    return _size(node, "tail", DEFAULT_TAIL) if "tail" in definition.args else _ONE


def _size(node: FieldNode, argument: str, default: int) -> _Size:
    value: ValueNode | None = next((a.value for a in node.arguments or () if a.name.value == argument), None)
    if isinstance(value, IntValueNode):
        return _Size(max(int(value.value), 0))
    if isinstance(value, ListValueNode):
        return _Size(len(value.values))
    if isinstance(value, VariableNode):
        return _Size(default, value.name.value)
    return _Size(default)
