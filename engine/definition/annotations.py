"""What the type hints of pydantic models say about raw values."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from engine.definition.diagnostic import Path
from engine.plugin.describe import arms

TextOf = Callable[[Path], str | None]


def fields_by_name(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by each name that users may write."""
    found = {}
    for name, field in model.model_fields.items():
        choices = field.validation_alias
        names = choices.choices if isinstance(choices, AliasChoices) else [field.alias or name]
        found.update({str(choice): field for choice in names})
    return found


def property_names(model: type[BaseModel] | None) -> tuple[str, ...]:
    """The names that users may write, in their order; empty for no model."""
    return tuple(fields_by_name(model)) if model else ()


def model_at(model: type[BaseModel], path: Path, raw: Any) -> type[BaseModel] | None:
    """The model of the map at a path below a model, where the type hints name one."""
    found: list[Any] = [model]
    for step in path:
        found = [below for kind in found for below in _below(kind, step)]
        raw = raw[step]
    models = [kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return models[0] if models else None


def _below(kind: Any, step: str | int) -> tuple[Any, ...]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = fields_by_name(kind).get(str(step))
        return arms(field.annotation) if field else ()
    arguments = typing.get_args(kind)
    if _is_map(kind) and len(arguments) == 2:
        return arms(arguments[1])
    return arms(arguments[0]) if arguments and isinstance(step, int) else ()


def as_texts(kinds: tuple[Any, ...], raw: Any, path: Path, text_of: TextOf) -> Any:
    """`raw` with numbers and booleans where only text fits replaced by what was written for them.

    `version: 1.10` is the text `1.10` for a property that takes text.
    """
    if isinstance(raw, bool | int | float):
        return (text_of(path) or str(raw)) if _only_text(kinds) else raw
    if isinstance(raw, list):
        return [
            as_texts(
                tuple(below for kind in kinds if _is_list(kind) for below in _below(kind, index)),
                item,
                (*path, index),
                text_of,
            )
            for index, item in enumerate(raw)
        ]
    if isinstance(raw, dict):
        below = {name: tuple(found for kind in kinds for found in _below(kind, name)) for name in raw}
        return {name: as_texts(below[name], item, (*path, name), text_of) for name, item in raw.items()}
    return raw


def _only_text(kinds: tuple[Any, ...]) -> bool:
    """Whether text fits and no other scalar does."""
    scalars = [kind for kind in kinds if kind is not type(None) and not _is_list(kind) and not _is_map(kind)]
    scalars = [kind for kind in scalars if not (isinstance(kind, type) and issubclass(kind, BaseModel))]
    return bool(scalars) and all(_is_text(kind) for kind in scalars)


def _is_text(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(kind))
    return isinstance(kind, type) and (issubclass(kind, str) or (issubclass(kind, Enum) and issubclass(kind, str)))


def _is_list(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return (
        isinstance(origin, type)
        and issubclass(origin, list | tuple | set | frozenset | typing.Sequence)
        and (not issubclass(origin, str))
    )


def _is_map(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)
