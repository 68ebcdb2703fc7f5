"""Changes to a flow's text that leave all else as its author wrote it."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from engine.definition.document import read_yaml
from engine.errors import Malformed

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DIVIDER = re.compile(r"---(?:\s.*)?")


def documents(text: str) -> list[str]:
    """The flows of a text in which lines that begin with `---` part them."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if DIVIDER.fullmatch(line.rstrip()):
            parts.append([])
        else:
            parts[-1].append(line)
    return [text for part in parts if _says_something(text := "".join(part))]


def with_property(source: str, name: str, value: str | bool) -> str:
    """A flow's text in which a property of the flow itself has this value.

    Raises Malformed where the text is written in a way that it can't be changed in, such as with an alias there.
    """
    before = read_yaml(source).value
    if not isinstance(before, dict):
        raise Malformed("a flow is a map with at least id, namespace and tasks")
    if before.get(name) == value:
        return source
    changed = _replaced(source, name, json.dumps(value) if isinstance(value, bool) else value)
    if read_yaml(changed).value != {**before, name: value}:
        raise Malformed(f"'{name}' can't be changed in the text of the flow as it is written: change it by hand")
    return changed


def with_task(source: str, task: str, properties: dict[str, Any]) -> str | None:
    """A flow's text in which the task of this id is written anew; None where there is none.

    Raises Malformed where the text is written in a way that it can't be changed in.
    """
    node = _task(yaml.compose(source, Loader=LOADER), task)
    if node is None:
        return None
    start, end = node.start_mark, _end(node)
    written = yaml.safe_dump(properties, sort_keys=False, allow_unicode=True, width=1000).rstrip("\n")
    if node.flow_style:
        written = json.dumps(properties, ensure_ascii=False)
    indented = written.replace("\n", f"\n{' ' * start.column}")
    # The text of a literal block ends with the line.
    rest = source[end - 1 :] if source[end - 1] == "\n" else source[end:]
    changed = f"{source[: start.index]}{indented}{rest}"
    if read_yaml(changed).broken:
        raise Malformed(f"the task '{task}' can't be changed in the text of the flow as it is written")
    return changed


def _says_something(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _replaced(source: str, name: str, value: str) -> str:
    root = yaml.compose(source, Loader=LOADER)
    assert isinstance(root, yaml.MappingNode)
    for key, node in root.value:
        if key.value == name and isinstance(node, yaml.ScalarNode):
            return f"{source[: node.start_mark.index]}{value}{source[node.end_mark.index :]}"
    if root.flow_style:
        first = root.start_mark.index + 1
        return f'{source[:first]}"{name}": {value}, {source[first:]}'
    # Before the first key, so that it never lands in the middle of another value.
    first = root.value[0][0].start_mark
    return f"{source[: first.index]}{name}: {value}\n{' ' * first.column}{source[first.index :]}"


def _end(node: Any) -> int:
    """Where what a node says ends; a block's own end is where the next thing begins."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return int(node.end_mark.index)


def _task(node: Any, task: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        named = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        if "type" in named and getattr(named.get("id"), "value", None) == task:
            return node
        below = [value for _, value in node.value]
    else:
        below = node.value if isinstance(node, yaml.SequenceNode) else []
    return next((found for value in below if (found := _task(value, task)) is not None), None)
