"""What would become of inputs, as JSON of the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.shapes import Shape
from engine.definition.inputs import InputState
from engine.runtime.actions.checks import Unmet


class ErrorShape(Shape, frozen=True):
    message: str


class InputShape(Shape, frozen=True, omit_defaults=False):
    """`input` is as the flow declares it; `isDefault`: the value is the flow's own."""

    input: dict[str, Any]
    value: Any
    enabled: bool
    is_default: bool
    errors: list[ErrorShape]


class CheckShape(Shape, frozen=True):
    message: str
    style: str
    behavior: str


class ValidationShape(Shape, frozen=True, omit_defaults=False):
    """`checks` are those of the flow that do not hold."""

    id: str
    namespace: str
    inputs: list[InputShape]
    checks: list[CheckShape]


def validation_shape(
    flow: str, namespace: str, states: Sequence[InputState], checks: Sequence[Unmet] = ()
) -> ValidationShape:
    shown = [CheckShape(check.message, check.style, check.behavior) for check in checks]
    return ValidationShape(flow, namespace, [_input(state) for state in states], shown)


def _input(state: InputState) -> InputShape:
    declared = state.input.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if state.choices is not None:
        declared["values"] = list(state.choices)
    return InputShape(
        input={"id": state.input.id, "type": state.input.type, "required": state.input.required, **declared},
        value=state.value,
        enabled=state.enabled,
        is_default=state.is_default,
        errors=[ErrorShape(text) for text in state.errors],
    )
