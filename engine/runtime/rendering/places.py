"""Where in the properties of a task a template stands that could not be rendered."""

from __future__ import annotations

from typing import Any

from engine.definition.diagnostic import path_text
from engine.errors import ExpressionError
from engine.plugin.base import Template


def placed(error: ExpressionError, source: Any, name: str = "") -> str:
    """What went wrong, led by the place of the template in `source`, a structure of texts.

    name: the property that `source` is the value of; it stands alone where the template itself is not to be found, as
    when `render()` rendered it
    """
    path = _path(source, error.template) if error.template else None
    steps = (*((name,) if name else ()), *(path or ()))
    return f"{path_text(steps)}: {error}" if steps else str(error)


def _path(source: Any, template: str) -> tuple[str | int, ...] | None:
    if isinstance(source, Template):
        source = source.source
    if isinstance(source, str):
        return () if source == template else None
    if isinstance(source, dict):
        below: Any = source.items()
        if template in source:
            return (template,)
    elif isinstance(source, list | tuple):
        below = enumerate(source)
    else:
        return None
    return next(((key, *path) for key, item in below if (path := _path(item, template)) is not None), None)
