"""Gathers what the executions gave that a Loop or a ForEachItem started, in the order of their indices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from engine.executor.plan import Kind, Node
from engine.executor.work import child_of
from engine.files.addresses import task_folder
from engine.files.protocol import InternalStorage
from engine.runtime.keeping.outputs import offload
from engine.state.execution import Execution, TaskRun
from engine.state.record import Record
from engine.store.protocols import ExecutionStore

PAGE = 500
OUTPUTS = "outputs.ion"

_encode = msgspec.json.Encoder().encode


class Gathering:
    """Reads ended executions page by page."""

    def __init__(self, executions: ExecutionStore, files: InternalStorage, inline_bytes: int) -> None:
        self._executions = executions
        self._files = files
        self._inline_bytes = inline_bytes

    async def gather(self, record: Record, run: TaskRun, node: Node) -> dict[str, Any]:
        """What a task run adds to its outputs once its executions have ended. Raises StorageError, Unavailable.

        A Loop gives `outputs`, a list, or where its `fetchType` says so the `uri` of a file; a ForEachItem
        `subflowOutputsBaseUri`, the folder of a file with the outputs of all its executions that had some.
        """
        of = record.execution
        folder = task_folder(of.namespace, of.flow, of.home, run.node, run.id)
        if node.kind is Kind.ITEMS:
            lines = self._lines(record, run, bare=True)
            first = await anext(lines, None)
            if first is not None:
                await self._files.put(f"{folder}/{OUTPUTS}", _led_by(first, lines))
            return {"subflowOutputsBaseUri": folder}
        wanted = node.properties.get("fetchType", "AUTO")
        if wanted == "STORE" or (wanted == "AUTO" and "file" in record.answers[run.path].value):
            stored = await self._files.put(f"{folder}/{OUTPUTS}", self._lines(record, run, bare=False))
            return {"uri": stored.address}
        given = [_shown(child) async for child in self._ended(record, run)]
        gathered = {"outputs": given}
        if len(_encode(gathered)) > self._inline_bytes:
            return await offload(gathered, self._inline_bytes, self._files, folder)
        return gathered

    async def _lines(self, record: Record, run: TaskRun, bare: bool) -> AsyncIterator[bytes]:
        """A line for each execution: its outputs alone, or with its item."""
        async for child in self._ended(record, run):
            if not bare:
                yield _encode(_shown(child)) + b"\n"
            elif child.outputs:
                yield _encode(child.outputs) + b"\n"

    async def _ended(self, record: Record, run: TaskRun) -> AsyncIterator[Execution]:
        assert run.block is not None
        id = record.execution.id
        for begin in range(0, run.block.next, PAGE):
            ids = [child_of(id, run, index) for index in range(begin, min(begin + PAGE, run.block.next))]
            found = {child.id: child for child in await self._executions.heads(ids)}
            for one in ids:
                if one in found:
                    yield found[one]


async def _led_by(first: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in lines:
        yield line


def _shown(child: Execution) -> dict[str, Any]:
    assert child.item is not None
    item: dict[str, Any] = {"value": child.item.value, "index": child.item.index}
    if child.item.key is not None:
        item["key"] = child.item.key
    return {"item": item, "outputs": child.outputs or {}}
