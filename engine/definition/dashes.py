"""References to inputs and outputs whose ids have a dash: after a dot the dash would be a minus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.definition.dialect import BRANCHES, maps_in
from engine.definition.expressions import rendered_texts

_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


def check_dashes(raw: dict[str, Any], collector: Collector) -> None:
    """Report `inputs.a-b` where there is an input `a-b`, and the same of outputs and tasks."""
    names = {"input": "|".join(map(re.escape, _inputs(raw))), "output": "|".join(map(re.escape, _tasks(raw)))}
    patterns = {kind: re.compile(rf"(?<![\w.\]]){kind}s\.(?:{ids})(?![\w-])") for kind, ids in names.items() if ids}
    if not patterns:
        return
    for path, text in rendered_texts(raw):
        tags = _TAG.findall(text)
        for kind, pattern in patterns.items():
            owner = _owner(raw, path)
            if owner and any(pattern.search(tag) for tag in tags):
                words = (
                    f"Invalid {kind} reference: use {kind}s[key-name] instead of {kind}s.key-name — keys with dashes "
                    f"require bracket notation, offending {'outputs' if path[0] == 'outputs' else 'tasks'}: [{owner}]"
                )
                collector.error(path, words, "dash")


def _inputs(raw: dict[str, Any]) -> Iterator[str]:
    found = raw.get("inputs")
    for item in found if isinstance(found, list) else ():
        id = item.get("id") if isinstance(item, dict) else None
        if isinstance(id, str) and "-" in id:
            yield id


def _tasks(raw: dict[str, Any]) -> Iterator[str]:
    for branch in BRANCHES:
        for _, item in maps_in(raw.get(branch)):
            id = item.get("id")
            if isinstance(id, str) and "-" in id and isinstance(item.get("type"), str):
                yield id


def _owner(raw: Any, path: Path) -> str:
    """The id of the task, or the output, that a text belongs to; empty for what is neither."""
    if path[0] == "inputs":
        return ""
    owner = ""
    for step in path:
        raw = raw[step]
        if isinstance(raw, dict) and isinstance(raw.get("id"), str) and (path[0] == "outputs" or "type" in raw):
            owner = raw["id"]
    return owner
