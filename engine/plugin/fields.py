"""What the type of a property says about how its value is made."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from engine.plugin.base import Plugin, Template


def unrendered(plugin: type[Plugin]) -> frozenset[str]:
    """Properties that arrive as their author wrote them: those typed `Template`."""
    return frozenset(name for name, kind in _fields(plugin) if any(arm is Template for arm in _arms(kind)))


def structured(plugin: type[Plugin]) -> frozenset[str]:
    """Properties that take no text of their own, so that a text may be one that renders to JSON."""
    return frozenset(name for name, kind in _fields(plugin) if not _takes_text(kind))


def _fields(plugin: type[Plugin]) -> Iterator[tuple[str, Any]]:
    return ((field.alias or name, field.annotation) for name, field in plugin.model_fields.items())


def _arms(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(arm for part in typing.get_args(annotation) for arm in _arms(part))
    if typing.get_origin(annotation) is typing.Annotated:
        return _arms(typing.get_args(annotation)[0])
    return (annotation,)


def _takes_text(annotation: Any) -> bool:
    """Whether a text is a valid value of its own, so that it must not be read as JSON."""
    arms = [arm for arm in _arms(annotation) if arm is not type(None)]
    return not all(
        typing.get_origin(arm) in (list, dict, tuple, set, typing.get_origin(Mapping[str, str]))
        or (isinstance(arm, type) and issubclass(arm, BaseModel | list | dict))
        for arm in arms
    )
