"""A plugin's documentation as data: from its docstring, its fields and what `run` returns."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from engine.plugin.base import Block, Plugin, Task, TaskRunner, Template, Trigger
from engine.plugin.index import FAMILY
from engine.plugin.schemas import model_schema


class Property(NamedTuple):
    """One property or output.

    type: in words, as `list of text`
    default: as JSON value; None where there is none
    """

    name: str
    type: str
    required: bool
    default: Any
    description: str


class Described(NamedTuple):
    """What is known of a plugin type.

    kind: task, block, task runner, trigger or plugin
    title, text: first paragraph of the docstring, and the rest
    outputs: None where the outputs are not declared
    """

    type: str
    short: str
    kind: str
    title: str
    text: str
    aliases: tuple[str, ...]
    properties: tuple[Property, ...]
    outputs: tuple[Property, ...] | None


def describe(name: str, plugin: type[Plugin]) -> Described:
    """The documentation of a plugin class, whose full type name is `name`."""
    title, _, text = inspect.cleandoc(plugin.__doc__ or "").partition("\n\n")
    return Described(
        type=name,
        short=name.removeprefix(FAMILY),
        kind=_kind(plugin),
        title=" ".join(title.split()),
        text=text.strip(),
        aliases=plugin.aliases,
        properties=tuple(_properties(plugin)),
        outputs=_outputs(plugin),
    )


def property_schema(plugin: type[Plugin]) -> dict[str, Any]:
    """JSON Schema of a plugin's own properties, where each may also be an expression."""
    schema = model_schema(plugin)
    if not issubclass(plugin, Block):
        for name, below in schema.get("properties", {}).items():
            schema["properties"][name] = _or_expression(below)
    return schema


def _or_expression(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "string" and "enum" not in schema and "format" not in schema:
        return schema
    kept: dict[str, Any] = {key: schema.pop(key) for key in ("title", "description", "default") if key in schema}
    return {**kept, "anyOf": [schema, {"type": "string", "pattern": r"\{[{%]"}]}


def _kind(plugin: type[Plugin]) -> str:
    kinds: tuple[tuple[type[Plugin], str], ...] = (
        (Block, "block"),
        (Task, "task"),
        (TaskRunner, "task runner"),
        (Trigger, "trigger"),
    )
    return next((word for base, word in kinds if issubclass(plugin, base)), "plugin")


def _properties(model: type[BaseModel]) -> Iterator[Property]:
    for name, field in model.model_fields.items():
        yield Property(
            name=_written(name, field),
            type=in_words(field.annotation),
            required=field.is_required(),
            default=None if field.is_required() else _plain(field.get_default(call_default_factory=True)),
            description=field.description or "",
        )


def _written(name: str, field: FieldInfo) -> str:
    choices = field.validation_alias
    return str(choices.choices[0]) if isinstance(choices, AliasChoices) else field.alias or name


def _outputs(plugin: type[Plugin]) -> tuple[Property, ...] | None:
    run = getattr(plugin, "run", None)
    if run is None or not issubclass(plugin, Task):
        return None
    try:
        returned = typing.get_type_hints(run).get("return")
    except (NameError, TypeError):
        # Names that are imported for type checkers only can't be looked up; the others of that hint neither.
        returned = inspect.get_annotations(run).get("return")
        returned = vars(inspect.getmodule(run)).get(returned) if isinstance(returned, str) else returned
    if returned is type(None) or returned == "None":
        return ()
    models = [arm for arm in arms(returned) if isinstance(arm, type) and issubclass(arm, BaseModel)]
    return tuple(_properties(models[0])) if models else None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Template):
        return value.source
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return {str(key): _plain(item) for key, item in value.items()} if isinstance(value, dict) else str(value)


def arms(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations; the type itself where it is none."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return tuple(arm for part in typing.get_args(annotation) for arm in arms(part))
    if origin is typing.Annotated:
        return arms(typing.get_args(annotation)[0])
    return (annotation,)


_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "map", list: "list"}


def in_words(annotation: Any) -> str:
    """A type hint in words: `text or list of text`."""
    kinds = [arm for arm in arms(annotation) if arm is not type(None)]
    # That a task renders a property itself is nothing to its users.
    words = [_word(kind) for kind in kinds if kind is not Template or len(kinds) == 1]
    return " or ".join(dict.fromkeys(words)) or "null"


def _word(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(str(value) for value in arguments)
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(member.value) for member in kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "map"
    if isinstance(origin, type) and issubclass(origin, typing.Mapping):
        below = in_words(arguments[1]) if len(arguments) == 2 else "anything"
        return "map" if below == "anything" else f"map of {below}"
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset | typing.Sequence):
        below = in_words(arguments[0]) if arguments else "anything"
        return "list" if below == "anything" else f"list of {below}"
    return "anything"
