"""Executions that a process leaves alone: an operator's way to start a server that one of them keeps from working."""

from __future__ import annotations

from engine.errors import Refused
from engine.ids import ExecutionId
from engine.settings import Skip
from engine.state.execution import Execution, ExecutionKind

SKIPPED = "skipped"
"""Who owns an execution that was set aside: nobody, so that a process that does not skip it takes it up."""
TENANT = "main"


class Skips:
    """What the settings set aside. Raises Refused for an entry that names nothing."""

    def __init__(self, settings: Skip) -> None:
        self._executions = frozenset(settings.executions)
        self._flows = frozenset(_flow(text) for text in settings.flows)
        self._namespaces = frozenset(_namespace(text) for text in settings.namespaces)

    def __bool__(self) -> bool:
        return bool(self._executions or self._flows or self._namespaces)

    def covers(self, id: str, namespace: str, flow: str, tenant: str = TENANT) -> bool:
        """Whether an execution is set aside, by itself, its flow or its namespace."""
        return (
            id in self._executions
            or (tenant, namespace, flow) in self._flows
            or (tenant, namespace) in self._namespaces
        )

    def has(self, execution: Execution) -> bool:
        """The same of an execution; an iteration goes with the execution whose loop it belongs to."""
        if execution.kind is ExecutionKind.LOOP and execution.parent in self._executions:
            return True
        return self.covers(execution.id, execution.namespace, execution.flow, execution.tenant)


def set_aside(id: ExecutionId) -> Refused:
    """What is told to whoever asks something of an execution that is set aside."""
    return Refused(
        f"Execution '{id}' is set aside by the setting `skip` of the server: take it off and start the server again"
    )


def _flow(text: str) -> tuple[str, str, str]:
    parts = text.split("|")
    if len(parts) == 1:
        namespace, dot, flow = text.rpartition(".")
        parts = [namespace, flow] if dot else []
    if len(parts) == 2:
        parts = [TENANT, *parts]
    if len(parts) != 3 or not all(parts):
        raise Refused(f"skip.flows: '{text}' names no flow; write namespace.flow or namespace|flow")
    return parts[0], parts[1], parts[2]


def _namespace(text: str) -> tuple[str, str]:
    parts = text.split("|")
    if len(parts) == 1:
        parts = [TENANT, *parts]
    if len(parts) != 2 or not all(parts):
        raise Refused(f"skip.namespaces: '{text}' names no namespace; write it as flows do")
    return parts[0], parts[1]
