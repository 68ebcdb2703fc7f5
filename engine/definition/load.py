"""From YAML text to a flow, or to everything that is wrong with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.definition.annotations import as_texts, property_names
from engine.definition.collect import Collector
from engine.definition.dashes import check_dashes
from engine.definition.defaults import check_defaults, defaults_of, inject
from engine.definition.diagnostic import Diagnostic
from engine.definition.dialect import BRANCHES, dialect_of
from engine.definition.document import read_yaml
from engine.definition.expressions import check_expressions
from engine.definition.flow import NOT_AVAILABLE, Flow, FlowFields
from engine.definition.inlining import inline
from engine.definition.listeners import read_listeners
from engine.definition.references import check_inputs, check_names, check_outputs, check_types
from engine.definition.rules import NONE, Rules
from engine.definition.sla import check_checks, check_slas
from engine.definition.tasks import TaskReader
from engine.definition.triggers import read_triggers
from engine.errors import InvalidFlow
from engine.plugin.index import Index


class Loaded(NamedTuple):
    """A flow without mistakes, what its author should know, and the dialect it is written in."""

    flow: Flow
    warnings: tuple[Diagnostic, ...]
    dialect: int


def load_flow(text: str, *, file: str | None = None, index: Index, rules: Rules = NONE) -> Loaded:
    """Read a flow. Raises InvalidFlow with every mistake and warning, in the order of the text."""
    document = read_yaml(text)
    collector = Collector(document, file)
    raw = document.value
    if document.broken:
        raise InvalidFlow(collector.sorted())
    if not isinstance(raw, dict):
        but = ", but there is nothing in it" if raw is None else ""
        collector.error((), f"a flow is a map with at least id, namespace and tasks{but}", "wrong-value")
        raise InvalidFlow(collector.sorted())
    dialect = dialect_of(text, raw, rules.dialect(raw.get("namespace")))
    raw = _available(raw, collector)
    raw = inline(raw, rules, index, collector) if "Template" in text or rules.templates else raw
    check_defaults(raw, collector, index)
    if defaults := defaults_of(raw, rules.defaults):
        raw, moved = inject(raw, defaults, index)
        collector.move(moved)
    check_types(raw.get("inputs"), collector, dialect)
    raw = as_texts((FlowFields,), raw, (), collector.text)
    fields = collector.validate(FlowFields, raw, ())
    reader = TaskReader(collector, index, dialect, (raw.get("namespace"), raw.get("id")))
    branches = {name: reader.branch(raw.get(name), (name,)) for name in BRANCHES}
    of_listeners, conditions = read_listeners(raw.get("listeners"), reader, collector, index)
    check_names(raw, collector)
    check_inputs(raw.get("inputs"), collector)
    check_outputs(raw.get("outputs"), collector)
    check_slas(raw.get("sla"), collector)
    check_checks(raw.get("checks"), collector, dialect)
    triggers = read_triggers(raw.get("triggers"), collector, index, dialect)
    check_expressions(raw, collector)
    check_dashes(raw, collector)
    found = collector.sorted()
    if fields is None or collector.errors:
        raise InvalidFlow(found)
    values = {name: getattr(fields, name) for name in FlowFields.model_fields}
    return Loaded(
        Flow.model_construct(
            fields.model_fields_set,
            **values,
            branches=branches | of_listeners,
            listener_conditions=conditions,
            trigger_definitions=triggers,
        ),
        found,
        dialect,
    )


def _available(raw: dict[str, Any], collector: Collector) -> dict[str, Any]:
    """The properties that this version has; those it lacks are reported where they say anything."""
    known = property_names(FlowFields)
    kept = {}
    for name, value in raw.items():
        if name in known or name not in NOT_AVAILABLE:
            kept[name] = value
        elif value not in (None, [], {}):
            text = f"is not available in this version: {NOT_AVAILABLE[name]}"
            collector.error((name,), text, "not-available", key=True)
    return kept
