"""What a document may hold: depth, aliases, tokens, directives, cost. A document is parsed and checked once, then kept.

A refusal is an `OperationRefused` with GraphQL errors as the specification wants them, each with a code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Visitor,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import MaxIntrospectionDepthRule

from merlin.schema.cost import CostPlan, compile_cost
from merlin.settings import Settings

PARSE_FAILED = "PARSE_FAILED"
VALIDATION_FAILED = "VALIDATION_FAILED"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
_KEPT_DOCUMENTS = 500
_LONGEST_KEPT = 20_000  # characters; larger ones are rare and would fill the memory
_MOST_ERRORS = 20


class OperationRefused(Exception):
    """The document, or its use, is refused before anything ran."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document that may run."""

    document: DocumentNode
    name: str | None
    kind: OperationType
    root_field: str
    cost: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    document: DocumentNode
    plans: dict[int, CostPlan]


class Documents:
    """Parsed and valid documents by their text, the least recently used forgotten first."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._kept: OrderedDict[str, _Prepared] = OrderedDict()
        self._rules = (*specified_rules, MaxIntrospectionDepthRule)
        if not settings.introspection:
            self._rules = (*self._rules, NoSchemaIntrospectionCustomRule)

    def operation(self, text: str, name: str | None, variables: Mapping[str, Any] | None) -> Operation:
        """The operation to run. Raises OperationRefused: syntax, validation, limits, no such operation."""
        try:
            return self._operation(text, name, variables)
        except RecursionError:
            raise _refused("The document is nested too deeply.", LIMIT_EXCEEDED) from None

    def _operation(self, text: str, name: str | None, variables: Mapping[str, Any] | None) -> Operation:
        prepared = self._prepare(text)
        found = get_operation_ast(prepared.document, name)
        if found is None:
            raise _refused(_no_operation(prepared.document, name), VALIDATION_FAILED)
        if id(found) not in prepared.plans:
            prepared.plans[id(found)] = compile_cost(self._schema, prepared.document, found)
        cost = prepared.plans[id(found)].cost(variables)
        if cost > self._settings.max_cost:
            raise _refused(
                f"The operation costs {cost}; at most {self._settings.max_cost} is possible. Ask for smaller pages "
                "(first) or fewer levels.",
                LIMIT_EXCEEDED,
                cost=cost,
            )
        return Operation(prepared.document, name, found.operation, _root_field(found), cost)

    def _prepare(self, text: str) -> _Prepared:
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        document = self._parse(text)
        self._check_counts(document)
        errors = validate(self._schema, document, self._rules, max_errors=_MOST_ERRORS)
        if errors:
            raise OperationRefused([_coded(error, VALIDATION_FAILED) for error in errors])
        self._check_depth(document)
        prepared = _Prepared(document, {})
        if len(text) <= _LONGEST_KEPT:
            self._kept[text] = prepared
            if len(self._kept) > _KEPT_DOCUMENTS:
                self._kept.popitem(last=False)
        return prepared

    def _parse(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self._settings.max_tokens)
        except GraphQLError as error:
            code = LIMIT_EXCEEDED if "tokens" in error.message else PARSE_FAILED
            raise OperationRefused([_coded(error, code)]) from error

    def _check_counts(self, document: DocumentNode) -> None:
        """Before validation: its cost grows with these."""
        counts = _Counts()
        visit(document, counts)
        for what, count, most in (
            ("aliases", counts.aliases, self._settings.max_aliases),
            ("directives", counts.directives, self._settings.max_directives),
        ):
            if count > most:
                raise _refused(f"The document has {count} {what}; at most {most} are possible.", LIMIT_EXCEEDED)

    def _check_depth(self, document: DocumentNode) -> None:
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        known: dict[str, int] = {}
        for definition in document.definitions:
            if not isinstance(definition, OperationDefinitionNode):
                continue
            depth = _depth(definition.selection_set, fragments, known)
            if depth > self._settings.max_depth:
                raise _refused(
                    f"The operation is {depth} levels deep; at most {self._settings.max_depth} are possible.",
                    LIMIT_EXCEEDED,
                )


class _Counts(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.aliases = 0
        self.directives = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.aliases += node.alias is not None

    def enter_directive(self, _node: DirectiveNode, *_: Any) -> None:
        self.directives += 1


def _depth(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, int]) -> int:
    """Levels of fields. Introspection has a limit of its own (a validation rule)."""
    deepest = 0
    for selection in selections.selections:
        depth = 0
        if isinstance(selection, FieldNode):
            inner = selection.selection_set
            if not selection.name.value.startswith("__"):
                depth = 1 + (_depth(inner, fragments, known) if inner else 0)
        elif isinstance(selection, InlineFragmentNode):
            depth = _depth(selection.selection_set, fragments, known)
        elif isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in known:
                known[name] = _depth(fragments[name].selection_set, fragments, known)
            depth = known[name]
        deepest = max(deepest, depth)
    return deepest


def _root_field(operation: OperationDefinitionNode) -> str:
    """The first field, for metrics and logs; "" when it stands in a fragment."""
    first = operation.selection_set.selections[0]
    return first.name.value if isinstance(first, FieldNode) else ""


def _no_operation(document: DocumentNode, name: str | None) -> str:
    if name is not None:
        return f"The document has no operation named {name!r}."
    if any(isinstance(d, OperationDefinitionNode) for d in document.definitions):
        return "The document has several operations; say which one with operationName."
    return "The document has no operation."


def _refused(message: str, code: str, **more: Any) -> OperationRefused:
    return OperationRefused([GraphQLError(message, extensions={"code": code, **more})])


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    error.extensions = {**(error.extensions or {}), "code": code}
    return error
