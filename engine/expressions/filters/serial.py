"""Filters that write values as JSON, Ion and YAML."""

from __future__ import annotations

from typing import Any

from engine.expressions import ion, yamltext
from engine.expressions.printing import to_json
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope


@template_filter("toJson", "json", nulls=True)
def json_of(scope: RenderScope, value: Any) -> str:
    """A value as JSON; null as the word."""
    return to_json(value, scope)


@template_filter("toIon", nulls=True)
def ion_of(scope: RenderScope, value: Any) -> str:
    """A value as Ion; null as the word."""
    # Written as JSON first, because that knows the limit on the size.
    to_json(value, scope)
    return ion.dumps(value, spend=scope.spend)


@template_filter("yaml", nulls=True)
def yaml_of(scope: RenderScope, value: Any) -> str:
    """A value as a YAML document; null as the word."""
    return "null" if value is None else yamltext.dump(scope, value)
