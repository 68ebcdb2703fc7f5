"""Random executions: plans of all blocks, how each attempt and question ends, and in which order it is told."""

from __future__ import annotations

import os
import random
import zlib
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from engine.executor.plan import Backoff, FlowOutput, Kind, Node, Plan, Retry, make_plan
from engine.ids import NodeId
from engine.state.event import Patch
from engine.state.status import Status
from executor.rules import SIDE_BY_SIDE
from executor.world import Outcome, node

# How many random executions each property is tried on.
EXAMPLES = int(os.environ.get("TIDEGATE_EXAMPLES", "300"))

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)

MOST_NODES = 14
DEEPEST = 3

# What starts executions is tested by itself: its children are no task runs.
BLOCKS = [kind for kind in Kind if kind not in (Kind.TASK, Kind.LOOP, Kind.ITEMS)]
RUN_IFS = ("true", "true", "yes", "false", "", "0", "-0", None)
VALUES: tuple[list[str | None] | None, ...] = (
    ["a"],
    ["a", "b"],
    ["a", "b", "c", "d"],
    [],
    ["a", "a", "b"],
    ["a", None],
    None,
)


PAUSES: tuple[dict[str, Any] | None, ...] = (
    {"duration": None, "then": "RESUME"},
    {"duration": 1000, "then": "RESUME"},
    {"duration": 1000, "then": "WARN"},
    {"duration": 1000, "then": "FAIL"},
    {"duration": 1000, "then": "CANCEL"},
    None,
)


STOPS = (None, Status.FAILED, Status.CANCELLED)
DECISIONS = ("APPROVED", "DENIED", "EXPIRED")
BEHAVIORS = ("CONTINUE", "WARN", "FAIL", "CANCEL", "SUCCEED", "KILL")


class Luck:
    """What happens to whom; the same for the same seed, in whatever order it is asked."""

    def __init__(self, seed: int, *, fails: bool = True, exits: bool = True) -> None:
        self.seed = seed
        self._fails = 4 if fails else 0
        self._exits = 60 if exits else 0

    def without_failures(self) -> Luck:
        """The same, where no task and no question fails."""
        return Luck(self.seed, fails=False, exits=False)

    def number(self, *parts: object) -> int:
        return zlib.crc32(repr((self.seed, parts)).encode())

    def outcome(self, path: str, attempt: int) -> Outcome:
        number = self.number(path, attempt)
        end = Status.SUCCESS
        if self._exits and number % self._exits == 0:
            end = (Status.KILLED, Status.SUCCESS, Status.FAILED, Status.CANCELLED)[number // self._exits % 4]
            return Outcome(patch=Patch(end=end))
        if self._fails and number % self._fails == 0:
            return Outcome(Status.FAILED, error="boom")
        return Outcome(Status.WARNING if number % 13 == 0 else Status.SUCCESS)

    def answer(self, path: str, ask: str) -> Any:
        """The value, or an error as an exception."""
        number = self.number(path, ask)
        value: Any
        if ask == "run_if":
            value = RUN_IFS[number % len(RUN_IFS)]
        elif ask == "values":
            value = VALUES[number % len(VALUES)]
        elif ask == "outputs":
            value = {"o": "x"} if number % 5 else None
        elif ask == "condition":
            value = ("true", "false", "yes", "0", None)[number % 5]
        elif ask == "pause":
            value = self._pause(number)
        elif ask == "limits":
            most = {
                "iterations": 1 + number % 3,
                "duration": None,
                "interval": 1000,
                "fail": self._fails and number % 4 == 0,
            }
            value = None if number % 7 == 0 and self._fails else most
        elif ask == "until":
            value = ("true", "false", "false", "yes", None)[number % 5]
        elif ask == "approval":
            value = self._terms(number)
        else:
            value = ("a", "b", "a", "c", None)[number % 5]
        wrong = value is None or value == "c" or (ask == "values" and None in value)
        if wrong and not self._fails:
            return {"run_if": "true", "values": ["a"], "outputs": {"o": "x"}}.get(ask, "a")
        return ValueError("no such thing") if value is None else value

    def _terms(self, number: int) -> dict[str, Any] | None:
        """The terms of an Approval."""
        if self._fails and number % 7 == 0:
            return None
        most = 1 if not self._fails else 6 if self._exits else 3
        then = {name: BEHAVIORS[number // 7**place % most] for place, name in enumerate(DECISIONS, start=1)}
        timeout = 1000 if self._fails and number % 3 == 0 else None
        return {"auto": number % 5 == 0, "timeout": timeout, "comment": "NEVER", "then": then}

    def _pause(self, number: int) -> dict[str, Any] | None:
        pauses = PAUSES if self._fails else PAUSES[:2]
        value = pauses[number % len(pauses)]
        return PAUSES[0] if value is not None and value["then"] == "CANCEL" and not self._exits else value


class Case(NamedTuple):
    plan: Plan
    luck: Luck
    order: random.Random


class Builder:
    """Draws one plan."""

    def __init__(self, draw: st.DrawFn, *, retries: bool, lenient: bool, beside: bool) -> None:
        self._random = random.Random(draw(st.integers(0, 2**32)))
        self._shape = draw(st.lists(st.integers(0, 255), min_size=4, max_size=3 * MOST_NODES))
        self._left = MOST_NODES
        self._count = 0
        self._retries = retries
        self._lenient = lenient
        self._beside = beside

    def root(self) -> Node:
        first = self._stopping() if self._beside else ()
        tasks = (*first, *self._tasks(DEEPEST, 4))
        return Node(id=NodeId(""), type="flow", branches={"tasks": tasks, **self._aside(DEEPEST)})

    def _stopping(self) -> tuple[Node, ...]:
        """A block of several tasks and blocks that ends all of them when one fails."""
        tasks = tuple(self._node(DEEPEST - 1) for _ in range(self._random.randrange(2, 6)))
        kind, state = self._random.choice((Kind.PARALLEL, Kind.DAG)), self._random.choice(STOPS[1:])
        branches = {"tasks": tasks, **self._aside(DEEPEST)}
        return (node("t0", kind=kind, branches=branches, concurrent=self._random.choice((0, 0, 2, 3)), stops=state),)

    def chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _choose(self, among: int) -> int:
        """From what hypothesis drew as long as there is something, so that it can make plans smaller."""
        return (self._shape.pop() if self._shape else 0) % among

    def _tasks(self, depth: int, most: int) -> tuple[Node, ...]:
        count = self._choose(most + 1)
        return tuple(self._node(depth) for _ in range(count) if self._left > 0)

    def _aside(self, depth: int) -> dict[str, tuple[Node, ...]]:
        branches = {}
        if self.chance(3):
            branches["errors"] = self._tasks(min(depth, 1), 2)
        if self.chance(4):
            branches["finally"] = self._tasks(min(depth, 1), 2)
        return branches

    def _node(self, depth: int) -> Node:
        self._left -= 1
        self._count += 1
        id = f"t{self._count}"
        common: dict[str, Any] = {
            "allow_failure": self._lenient and self.chance(8),
            "allow_warning": self._lenient and self.chance(8),
            "run_if": "{{ x }}" if self.chance(6) else None,
        }
        kind = self._choose(len(BLOCKS) + 6)
        if depth == 0 or kind >= len(BLOCKS) or (BLOCKS[kind] is Kind.ALLOW_FAILURE and not self._lenient):
            return node(id, retry=self._retry(), fail_when_lost=self.chance(3), **common)
        return self._block(id, BLOCKS[kind], depth - 1, common)

    def _block(self, id: str, kind: Kind, depth: int, common: dict[str, Any]) -> Node:
        branches = self._aside(depth)
        depends_on: dict[NodeId, tuple[NodeId, ...]] = {}
        if kind is Kind.IF:
            branches["then"] = self._tasks(depth, 2)
            if self.chance(2):
                branches["else"] = self._tasks(depth, 2)
        elif kind is Kind.SWITCH:
            branches |= {"case:a": self._tasks(depth, 2), "case:b": self._tasks(depth, 2)}
            if self.chance(2):
                branches["defaults"] = self._tasks(depth, 2)
        elif kind is Kind.FOLDER:
            branches["tasks"] = self._tasks(0, 2)
        elif kind is Kind.APPROVAL:
            branches |= {name: self._tasks(depth, 2) for name in ("onWait", "onApprove", "onDeny") if self.chance(2)}
        else:
            branches["tasks"] = self._tasks(depth, 4)
        if kind is Kind.PAUSE and self.chance(2):
            branches["onPause"] = self._tasks(depth, 4)[:1]
        if kind is Kind.DAG:
            ids = [child.id for child in branches["tasks"]]
            depends_on = {id: tuple(other for other in ids[:place] if self.chance(2)) for place, id in enumerate(ids)}
        concurrent = self._random.randrange(4) if kind in SIDE_BY_SIDE else 0
        stops = self._random.choice(STOPS) if kind in (Kind.PARALLEL, Kind.DAG) else None
        given = {"branches": branches, "concurrent": concurrent, "depends_on": depends_on, "stops": stops}
        return node(id, kind=kind, ask="x", **given, **common)

    def _retry(self) -> Retry | None:
        if not self._retries or not self.chance(3):
            return None
        return Retry(
            self._random.choice(list(Backoff)),
            interval=1000,
            min_interval=10,
            max_interval=5000,
            max_attempts=self._random.randrange(1, 4),
            warning_on_retry=self.chance(2),
            new_execution=self.chance(8),
        )


@st.composite
def cases(
    draw: st.DrawFn, *, retries: bool = True, exits: bool = True, lenient: bool = True, beside: bool = False
) -> Case:
    """A plan, what will happen to it, and the order in which it does.

    `exits`: tasks may end their execution; `lenient`: failures may be allowed, and the flow may have outputs; `beside`:
    it begins with a block in which a failure ends what runs beside it.
    """
    builder = Builder(draw, retries=retries, lenient=lenient, beside=beside)
    root = builder.root()
    declared = (FlowOutput("o", "STRING", "{{ x }}"),) if lenient and builder.chance(4) else ()
    plan = make_plan(namespace="n", flow="f", revision=1, root=root, outputs=declared)
    seed = draw(st.integers(0, 2**32))
    return Case(plan, Luck(seed, exits=exits), random.Random(seed))
