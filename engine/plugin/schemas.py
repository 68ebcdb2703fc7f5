"""JSON Schema of a model, with all names of its fields."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of what users write for a model. A field that may be called in more ways is in it by each of them."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    for part in _models(model, []):
        # A model that holds itself is a definition, too.
        for place in (definitions.get(part.__name__), schema if part is model else None):
            if place is not None and "properties" in place:
                _add_names(place, part)
    return schema


def _add_names(schema: dict[str, Any], model: type[BaseModel]) -> None:
    properties = schema["properties"]
    for field in model.model_fields.values():
        if not isinstance(field.validation_alias, AliasChoices):
            continue
        first, *others = [str(name) for name in field.validation_alias.choices]
        for name in others:
            properties[name] = {**properties[first], "description": f"The same as {first}."}
        if first in schema.get("required", ()):
            schema["required"] = [name for name in schema["required"] if name != first]
            schema.setdefault("allOf", []).append({"anyOf": [{"required": [name]} for name in (first, *others)]})


def _models(hint: Any, seen: list[Any]) -> Iterator[type[BaseModel]]:
    """The models that a type hint holds, at any depth."""
    if any(hint is known for known in seen):
        return
    seen.append(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
        for field in hint.model_fields.values():
            yield from _models(field.annotation, seen)
    for argument in typing.get_args(hint):
        yield from _models(argument, seen)
