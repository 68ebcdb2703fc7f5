"""Makes a test of an execution: what came from outside becomes fixtures, what its flow made of it assertions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from engine.definition.flow import Flow
from engine.definition.flow_test import UNIT_TEST
from engine.definition.templates import holds_template
from engine.errors import NotFound
from engine.executor.plan import Kind
from engine.files.addresses import SCHEME
from engine.ids import ExecutionId
from engine.plugin.base import Task
from engine.runtime.engine import Engine
from engine.runtime.flows.plans import Compiled
from engine.runtime.keeping.keys import stored
from engine.runtime.keeping.outputs import MARK
from engine.state.execution import TaskRun, parent_path
from engine.state.record import Record
from engine.state.sealed import SHOWN, covered

FILE_BYTES = 1024 * 1024
ASSERTED_RUNS = 20
ORDERING = frozenset(Kind) - {Kind.TASK, Kind.PAUSE}
"""Blocks that only say in which order their tasks run."""
KEYS = re.compile(r"\bkv\(\s*(?:key\s*=\s*)?['\"]([^'\"]+)['\"]\s*\)")
SECRETS = re.compile(r"\bsecret\(\s*(?:key\s*=\s*)?['\"]([^'\"]+)['\"]")


class Recording(NamedTuple):
    """A test as a map, the files that it needs by name, and what could not be kept."""

    suite: dict[str, Any]
    files: Mapping[str, str]
    notes: tuple[str, ...]
    source: str


async def record_test(engine: Engine, id: ExecutionId, folder: str) -> Recording:
    """A test whose one case goes as an execution went; `folder` is where its files will lie. Raises NotFound."""
    record = (await engine.store.executions.load(id)).record
    execution = record.execution
    compiled = await engine.plans.get(execution.namespace, execution.flow, execution.revision)
    recorder = _Recorder(engine, record, compiled, folder)
    return await recorder.record()


class _Recorder:
    def __init__(self, engine: Engine, record: Record, compiled: Compiled, folder: str) -> None:
        self._engine = engine
        self._record = record
        self._compiled = compiled
        self._folder = folder
        self._files: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._notes: list[str] = []

    async def record(self) -> Recording:
        execution = self._record.execution
        fixtures: dict[str, Any] = {}
        if inputs := _flat(execution.inputs, self._compiled.flow):
            fixtures["inputs"] = {name: await self._kept(value) for name, value in inputs.items()}
        tasks = [await self._fixture(run) for run in self._mocked()]
        if execution.trigger is not None:
            fixtures["trigger"] = {
                **msgspec.to_builtins(execution.trigger),
                "variables": covered(execution.trigger.variables),
            }
        fixtures |= await self._looked_up()
        if self._files:
            fixtures["files"] = {name: f"file:{self._folder}/{name}" for name in self._files}
        if tasks:
            fixtures["tasks"] = tasks
        case = {
            "id": "recorded",
            "type": UNIT_TEST,
            "description": f"as the execution {execution.id} went",
            **({"fixtures": fixtures} if fixtures else {}),
            "expectedState": execution.state.value,
            "assertions": [item async for item in self._assertions()],
        }
        suite = {
            "id": f"{execution.flow}_test",
            "namespace": execution.namespace,
            "flowId": execution.flow,
            "testCases": [case],
        }
        return Recording(suite, self._files, tuple(self._notes), self._compiled.source)

    def _is_outside(self, run: TaskRun) -> bool:
        """Whether a task run looked at or changed something outside its execution, or waited for it."""
        node = self._compiled.plan.nodes[run.node]
        if node.kind is Kind.TASK:
            plugin = self._compiled.tasks[run.node].plugin
            return not issubclass(plugin, Task) or plugin.outside
        return node.kind not in ORDERING

    def _runs(self) -> list[TaskRun]:
        """Task runs outside blocks that become fixtures as a whole, in the order of their creation."""
        runs = sorted(self._record.runs.values(), key=lambda run: run.order)
        return [run for run in runs if not any(self._is_outside(above) for above in self._above(run))]

    def _above(self, run: TaskRun) -> Iterator[TaskRun]:
        path = parent_path(run.path)
        while path and path in self._record.runs:
            yield self._record.runs[path]
            path = parent_path(path)

    def _mocked(self) -> list[TaskRun]:
        """One task run for each task and value of a loop that becomes a fixture."""
        found: dict[tuple[str, str | None], TaskRun] = {}
        for run in self._runs():
            key = (run.node, next(reversed(self._values(run)), None))
            if self._is_outside(run):
                if key in found:
                    under = "" if key[1] is None else f" under the value {key[1]}"
                    self._notes.append(
                        f"the task '{run.node}' ran more than once{under}: its last outputs stand for all"
                    )
                found[key] = run
        return list(found.values())

    def _values(self, run: TaskRun) -> list[str]:
        """Values of the loops around a task run, outermost first."""
        return [one.value for one in (*reversed([*self._above(run)]), run) if one.value is not None]

    async def _fixture(self, run: TaskRun) -> dict[str, Any]:
        values = self._values(run)
        whole = self._compiled.plan.nodes[run.node].kind is not Kind.TASK
        outputs = await self._kept(run.outputs or {})
        return {
            "id": run.node,
            **({"value": values[-1]} if values and not whole else {}),
            **({"state": run.state.value} if run.state != "SUCCESS" and run.state.terminal else {}),
            **({"outputs": outputs} if outputs else {}),
        }

    async def _kept(self, value: Any) -> Any:
        """A value for a fixture: files brought along, secrets left out, texts kept that look like expressions."""
        if isinstance(value, dict) and MARK in value:
            return await self._kept(msgspec.json.decode(await self._content(value[MARK])))
        if isinstance(value, dict):
            opened = covered(value)
            if opened == SHOWN:
                return SHOWN
            return {key: await self._kept(item) for key, item in value.items()}
        if isinstance(value, list):
            return [await self._kept(item) for item in value]
        if isinstance(value, str) and value.startswith(f"{SCHEME}/"):
            return await self._file(value)
        return f"{{% raw %}}{value}{{% endraw %}}" if holds_template(value) else value

    async def _file(self, address: str) -> str:
        """What stands for a file of internal storage."""
        if address in self._names:
            return f"{{{{ files['{self._names[address]}'] }}}}"
        try:
            size = (await self._engine.files.stat(address)).size
        except NotFound:
            self._notes.append(f"the file {address} is gone")
            return address
        if size > FILE_BYTES:
            self._notes.append(f"the file {address} is larger than {FILE_BYTES // 1024} KiB and was not copied")
            return address
        name = re.sub(r"[^A-Za-z0-9._-]", "-", address.rpartition("/")[2])
        while name in self._files:
            name = f"{len(self._files)}-{name}"
        self._files[name] = address
        self._names[address] = name
        return f"{{{{ files['{name}'] }}}}"

    async def _content(self, address: str) -> bytes:
        return b"".join([chunk async for chunk in self._engine.files.read(address)])

    async def _looked_up(self) -> dict[str, Any]:
        """Keys and secrets that the flow names; the values of secrets are made up."""
        source, namespace = self._compiled.source, self._record.execution.namespace
        found: dict[str, Any] = {}
        entries = {key: await self._engine.keys.nearest(namespace, key) for key in dict.fromkeys(KEYS.findall(source))}
        if kv := {key: covered(stored(entry)) for key, entry in entries.items() if entry is not None}:
            found["kv"] = kv
        if secrets := dict.fromkeys(SECRETS.findall(source), SHOWN):
            found["secrets"] = secrets
        return found

    async def _assertions(self) -> Any:
        """States of all tasks, outputs of those that are run, outputs of the flow."""
        seen: dict[str, int] = {}
        for run in self._runs():
            seen[run.node] = seen.get(run.node, 0) + 1
            if seen[run.node] > ASSERTED_RUNS:
                continue
            place = "".join(f"[{_quoted(key)}]" for key in (run.node, *self._values(run)))
            yield {"value": f"{{{{ tasks{place}.state }}}}", "equalTo": run.state.value}
            if run.outputs and not self._is_outside(run) and self._compiled.plan.nodes[run.node].kind is Kind.TASK:
                for name, value in run.outputs.items():
                    if _is_shown(value):
                        yield {"value": f"{{{{ outputs{place}[{_quoted(name)}] }}}}", "equalTo": _literal(value)}
        for name, value in (self._record.execution.outputs or {}).items():
            if _is_shown(value):
                yield {"value": f"{{{{ execution.outputs[{_quoted(name)}] }}}}", "equalTo": _literal(value)}
        for node, count in seen.items():
            if count > ASSERTED_RUNS:
                self._notes.append(f"of the {count} runs of the task '{node}' the first {ASSERTED_RUNS} are asserted")


def _flat(inputs: Mapping[str, Any], flow: Flow) -> dict[str, Any]:
    """Inputs by the ids that the flow declares, dots written out."""
    found = {}
    for item in flow.inputs or ():
        value: Any = inputs
        for step in item.id.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            found[item.id] = value
    return found


def _is_shown(value: Any) -> bool:
    """Whether a value is the same in every execution, as far as can be told, and no secret."""
    if isinstance(value, dict):
        return MARK not in value and covered(value) == value and all(_is_shown(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_shown(item) for item in value)
    return value is not None and not (isinstance(value, str) and SCHEME in value)


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return f"{{% raw %}}{value}{{% endraw %}}" if holds_template(value) else value


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
