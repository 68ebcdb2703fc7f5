"""What the oracle knows of kinds and states: what each kind asks, which ends are bad, and how they are softened."""

from __future__ import annotations

from engine.executor.plan import Kind, Node
from engine.state.status import Status

BAD = {Status.FAILED, Status.KILLED, Status.CANCELLED, Status.RETRIED}
ASKS = {
    Kind.IF: "condition",
    Kind.SWITCH: "value",
    Kind.FOREACH: "values",
    Kind.EACH_PARALLEL: "values",
    Kind.PAUSE: "pause",
    Kind.APPROVAL: "approval",
    Kind.SCOPE: "scope",
    Kind.LOOP_UNTIL: "limits",
}

SIDE_BY_SIDE = {Kind.PARALLEL, Kind.DAG, Kind.FOREACH, Kind.EACH_PARALLEL}

BRANCHES = {"APPROVED": "onApprove", "DENIED": "onDeny", "EXPIRED": ""}
FAILURES = BAD - {Status.CANCELLED}


class Killed(Exception):
    """What was decided on an Approval kills its execution."""


def soften(node: Node, state: Status) -> Status:
    if state is Status.FAILED and (node.allow_failure or node.kind is Kind.ALLOW_FAILURE):
        state = Status.WARNING
    return Status.SUCCESS if state is Status.WARNING and node.allow_warning else state
