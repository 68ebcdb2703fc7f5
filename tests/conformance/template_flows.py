"""Flows that the table of expressions describes without their source: inputs with defaults, outputs, how they end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

MUTUAL = re.compile(r"input default calls subflow\(\) on ([\w-]+), and ([\w-]+) on ([\w-]+)")
LOG = {"id": "say", "type": "core.log.Log", "message": "done"}
FAIL = {"id": "fail", "type": "core.execution.Fail"}


def sources(id: str, described: Mapping[str, Any]) -> Iterator[str]:
    """The texts of the flows that a description is about: the one it names, and one that it tells of in words."""
    namespace = described["namespace"]
    if told := MUTUAL.search(described.get("note", "")):
        called, caller, back = (_full(name, id) for name in told.groups())
        yield _mutual(namespace, id, called)
        yield _mutual(namespace, caller, back)
        return
    yield yaml.safe_dump(
        {
            "id": id,
            "namespace": namespace,
            "inputs": [
                {"id": name, "type": "STRING", "defaults": given["default"]}
                for name, given in described.get("inputs", {}).items()
            ],
            "tasks": [FAIL if described.get("ends") == "FAILED" else LOG],
            "outputs": [
                {"id": name, "type": "STRING", "value": value} for name, value in described.get("outputs", {}).items()
            ],
        }
    )


def _full(name: str, like: str) -> str:
    """The id of a flow that is named by its end: `mutual-b` beside `flow-mutual-a`."""
    return f"{like.removesuffix('mutual-a')}{name}" if like.endswith("mutual-a") else name


def _mutual(namespace: str, id: str, other: str) -> str:
    default = f"{{{{ subflow(namespace='{namespace}', id='{other}').state }}}}"
    inputs = [{"id": "got", "type": "STRING", "defaults": default}]
    return yaml.safe_dump({"id": id, "namespace": namespace, "inputs": inputs, "tasks": [LOG]})
