"""The same rules as the reducer's, written the slow and obvious way: after each event the whole plan is walked again.

It keeps no counters. What it knows is which task runs there are, how they ended, and what was answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain as chained
from typing import Any, NamedTuple

from engine.executor.plan import Kind, Node, Plan
from engine.state.execution import node_of, parent_path
from engine.state.status import Status, worst
from executor.ending import Ending
from executor.rules import ASKS, BAD, BRANCHES, FAILURES, SIDE_BY_SIDE, Killed, soften


class Child(NamedTuple):
    path: str
    node: Node


Chain = list[Child]


class Oracle(Ending):
    """What an execution of a plan looks like."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.state: Status | None = None
        self.failures: Counter[str] = Counter()
        self.branches: dict[str, str] = {}
        self.values: dict[str, list[str]] = {}
        self.broken: set[str] = set()
        self.warned: set[str] = set()
        self.terms: dict[str, Any] = {}
        self.decisions: dict[str, str] = {}
        self.halted: set[tuple[str, str]] = set()
        self.passes: dict[str, int] = {}
        self.limits: dict[str, dict[str, Any]] = {}
        self.satisfied: set[str] = set()
        self.before_outputs: Status | None = None

    def start(self) -> None:
        self._walk()

    def answer(self, path: str, ask: str, value: Any, failed: bool) -> None:
        """A question of a block or task was answered."""
        if path == "":
            assert self.before_outputs is not None
            self.state = worst([self.before_outputs, Status.FAILED]) if failed else self.before_outputs
            return
        assert self.asking.pop(path) == ask
        node = self.plan.nodes[node_of(path)]
        if ask == "run_if":
            if failed:
                self.states[path] = soften(node, Status.FAILED)
            elif value in ("", "false", "0", "-0"):
                self.states[path] = Status.SKIPPED
            else:
                self._begin(path, node)
        elif failed or (ask == "values" and None in value):
            self.broken.add(path)
        elif ask == "condition":
            self.branches[path] = "else" if value in ("", "false", "0", "-0") else "then"
        elif ask == "value":
            self.branches[path] = f"case:{value}" if f"case:{value}" in node.branches else "defaults"
            if self.branches[path] not in node.branches:
                self.broken.add(path)
        elif ask == "limits":
            self.limits[path], self.passes[path] = value, 1
        elif ask == "until":
            self._pass_ended(path, value not in ("", "false", "0", "-0"))
        elif ask == "pause":
            self.paused[path] = value["then"]
        elif ask == "approval":
            self.terms[path] = value["then"]
            if value["auto"]:
                self._decided(path, "APPROVED")
            elif node.branches.get("onWait"):
                self.before.add(path)
            else:
                self.paused[path] = "EXPIRE"
        else:
            self.branches[path] = "tasks"
            self.values[path] = list(dict.fromkeys(value))
        self._walk()

    def end(self, path: str, state: Status, end: Status | None = None) -> None:
        """The live attempt of a task ended; `end` is what it asks for its execution."""
        node = self.plan.nodes[node_of(path)]
        stopping = self.stopped_by is not None
        retry = node.retry
        failed_before = self.failures[path]
        if state is Status.SUCCESS and retry is not None and retry.warning_on_retry and failed_before:
            state = Status.WARNING
        beside = self.is_ending(path)
        if beside is not None and state is Status.KILLED:
            state = beside
        if end is not None and not stopping:
            self.states[path] = Status.KILLED if end is Status.KILLED else soften(node, state)
            self.stop(end)
            return
        if beside is not None:
            self.states[path] = state if state is beside else soften(node, state)
            self._walk()
            return
        if state is Status.FAILED:
            self.failures[path] += 1
            if retry is not None and not stopping and self._once_more(path, node):
                return
        if node.kind is Kind.FOLDER and not stopping:
            self._leave_folder(path, state)
        else:
            self.states[path] = soften(node, state)
        self._walk()

    def _leave_folder(self, path: str, state: Status) -> None:
        """The tasks of a folder ended in its attempt; what comes after them is as in any block."""
        self.worked.add(path)
        if state is Status.FAILED:
            self.broken.add(path)
        elif state is Status.WARNING:
            self.warned.add(path)

    def _pass_ended(self, path: str, holds: bool) -> None:
        limits = self.limits[path]
        over = self.passes[path] >= limits["iterations"]
        if not holds and over and limits["fail"]:
            self.broken.add(path)
        elif holds or over:
            self.satisfied.add(path)
        else:
            self.paused[path] = "PASS"

    def _next_pass(self, path: str) -> None:
        self.passes[path] += 1
        for below in [other for other in self.states if other.startswith((f"{path}/", f"{path}#"))]:
            del self.states[below]
            for known in (self.failures, self.branches, self.values, self.passes, self.limits):
                known.pop(below, None)
            for marked in (self.broken, self.warned, self.satisfied, self.worked):
                marked.discard(below)

    def _once_more(self, path: str, node: Node) -> bool:
        retry = node.retry
        assert retry is not None
        if retry.new_execution:
            if retry.max_attempts == 1:
                return False
            self.states[path] = Status.RETRIED
            self.stop(Status.RETRIED)
            return True
        if self.failures[path] >= retry.max_attempts:
            return False
        self.retrying.add(path)
        return True

    def due(self, path: str) -> None:
        """A timer rang: of a retry, or of a Pause."""
        self.retrying.discard(path)
        then = self.paused.get(path)
        if then == "EXPIRE":
            self.decide(path, "EXPIRED")
        elif then == "CANCEL":
            self.stop(Status.CANCELLED)
        elif then is not None:
            if then == "WARN":
                self.warned.add(path)
            elif then == "FAIL":
                self.broken.add(path)
            self.resume(path)

    def resume(self, path: str) -> None:
        """A Pause goes on."""
        if self.paused.pop(path) == "PASS":
            self._next_pass(path)
        self._walk()

    def decide(self, path: str, decision: str) -> None:
        """An Approval goes on with what was decided."""
        del self.paused[path]
        self._decided(path, decision)
        self._walk()

    def _decided(self, path: str, decision: str) -> None:
        self.decisions[path] = decision
        self.branches[path] = BRANCHES[decision]

    def stop(self, state: Status) -> None:
        """A kill, or the end that a task asked for."""
        self.stopped_by = state
        self.before_outputs = None
        for path in [path for path, held in self.states.items() if held is None]:
            if not self._is_task(path):
                continue
            if path in self.asking:
                self.states[path] = Status.KILLED if state is Status.KILLED else Status.CANCELLED
            elif path in self.retrying:
                self.states[path] = Status.KILLED if state is Status.KILLED else Status.FAILED
        self.asking.clear()
        self.retrying.clear()
        self.paused.clear()
        self.before.clear()
        self._walk()

    def _walk(self) -> None:
        if self.stopped_by is not None:
            self._close_all(self.stopped_by)
            return
        before = None
        while before != self.states:
            before = dict(self.states)
            try:
                self._settle("", self.plan.root)
            except Killed:
                self.stop(Status.KILLED)
                return

    def _close_all(self, state: Status) -> None:
        open_paths = [path for path, held in self.states.items() if held is None]
        tasks = [path for path in open_paths if self._is_task(path)]
        for path in open_paths:
            if path not in tasks and not any(task.startswith((f"{path}/", f"{path}#")) for task in tasks):
                self.states[path] = state
        if not tasks:
            self._conclude(state)

    def _conclude(self, state: Status) -> None:
        if self.plan.outputs and state not in (Status.KILLED, Status.CANCELLED, Status.RETRIED):
            self.before_outputs = state
        else:
            self.state = state

    def _settle(self, path: str, node: Node) -> None:
        """Open what may be opened below a block, and end the block when all has ended."""
        if path in self.ending and self._still_ending(path):
            return
        meanwhile = self._branch(path, node, "onPause")
        self._settle_children([meanwhile])
        if self._begun(meanwhile) and self._open(meanwhile, True):
            return
        chains = list(self._chains(path, node))
        self._settle_children(chains)
        ended = [state for child in chained.from_iterable(chains) if (state := self.states.get(child.path)) is not None]
        if node.stops and FAILURES & set(ended) and any(self._open(chain, True) for chain in chains):
            self._end_below(path, node.stops)
            self._settle(path, node)
            return
        halted = (path, "main") in self.halted
        stop = halted or path in self.broken or any(state in BAD for state in ended)
        if not stop:
            self._open_main(path, node, chains)
        if any(self._open(chain, stop) for chain in chains):
            return
        if node.kind is Kind.LOOP_UNTIL and not stop and path not in self.satisfied:
            self.asking[path] = "until"
            return
        own = [Status.FAILED] * (path in self.broken) + [Status.WARNING] * (path in self.warned)
        then = self.terms[path][self.decisions[path]] if path in self.decisions else ""
        if not any(state in BAD for state in ended):
            if then == "KILL":
                raise Killed
            own += {"FAIL": [Status.FAILED], "WARN": [Status.WARNING], "CANCEL": [Status.CANCELLED]}.get(then, [])
        if node.stops is Status.CANCELLED and Status.FAILED in ended:
            # Those that it ended are no worse than what they were ended for.
            ended = [state for state in ended if state is not Status.CANCELLED]
        state = worst([*ended, *own])
        failing = "errors" if state in FAILURES and node.branches.get("errors") else None
        for branch in (failing, "finally"):
            chain = self._branch(path, node, branch) if branch else []
            self._settle_children([chain])
            failed = (path, branch) in self.halted or any(self.states.get(child.path) in BAD for child in chain)
            if not failed:
                self._open_next(chain)
            if self._open(chain, failed):
                return
        if path:
            self.states[path] = soften(node, state)
            if then == "SUCCEED" and self.states[path] in (Status.SUCCESS, Status.WARNING):
                self._halt(path)
        elif self.state is None and self.before_outputs is None:
            self._conclude(state)

    def _halt(self, path: str) -> None:
        """Nothing more begins in the branches around."""
        while path:
            above = parent_path(path)
            node = self.plan.nodes[node_of(above)] if above else self.plan.root
            child = self.plan.nodes[node_of(path)]
            branch = next(name for name, children in node.branches.items() if child in children)
            self.halted.add((above, branch if branch in ("errors", "finally", "onPause", "onWait") else "main"))
            path = above

    def _ask(self, path: str, node: Node) -> None:
        """Run what comes before the wait for a decision, then wait."""
        first = self._branch(path, node, "onWait")
        self._settle_children([first])
        failed = any(self.states.get(child.path) in BAD for child in first)
        over = failed or (path, "onWait") in self.halted
        if not over:
            self._open_next(first)
        if self._open(first, over):
            return
        self.before.remove(path)
        if failed and not node.allow_failure:
            self.broken.add(path)
        else:
            self.paused[path] = "EXPIRE"

    def _chains(self, path: str, node: Node) -> Iterator[Chain]:
        """The main children, in chains of those that follow each other."""
        if path in self.broken or node.kind is Kind.FOLDER:
            return
        if node.kind is Kind.FOREACH:
            for number in range(len(self.values[path])):
                yield [Child(f"{path}#{number}/{child.id}", child) for child in node.branches.get("tasks", ())]
        elif node.kind is Kind.EACH_PARALLEL:
            for number in range(len(self.values[path])):
                yield from ([Child(f"{path}#{number}/{child.id}", child)] for child in node.branches.get("tasks", ()))
        else:
            chain = self._branch(path, node, self.branches.get(path, "tasks"))
            if node.kind in (Kind.PARALLEL, Kind.DAG):
                yield from ([child] for child in chain)
            else:
                yield chain

    def _branch(self, path: str, node: Node, branch: str) -> Chain:
        prefix = f"{path}/" if path else ""
        return [Child(f"{prefix}{child.id}", child) for child in node.branches.get(branch, ())]

    def _settle_children(self, chains: list[Chain]) -> None:
        for child in chained.from_iterable(chains):
            is_open = child.path in self.states and self.states[child.path] is None
            if child.path in self.before:
                self._ask(child.path, child.node)
            waits = child.path in self.asking or child.path in self.paused or child.path in self.before
            if child.path in self.paused:
                meanwhile = self._branch(child.path, child.node, "onPause")
                self._settle_children([meanwhile])
                self._open_next(meanwhile)
            if is_open and not self._is_task(child.path) and not waits:
                self._settle(child.path, child.node)

    def _open_main(self, path: str, node: Node, chains: list[Chain]) -> None:
        """Go on with the chains that have begun, then begin others while there is room."""
        several = node.kind in SIDE_BY_SIDE
        limit = node.concurrent if several and node.concurrent else len(chains)
        for chain in chains:
            if self._begun(chain):
                self._open_next(chain)
        for chain in chains:
            busy = sum(1 for other in chains if self._begun(other) and self._open(other, False))
            if chain and not self._begun(chain) and busy < limit and self._ready(path, node, chain[0]):
                self._open_next(chain)

    def _open_next(self, chain: Chain) -> None:
        for child in chain:
            if child.path not in self.states:
                self._open_run(child)
                return
            if self.states[child.path] is None:
                return

    def _begun(self, chain: Chain) -> bool:
        return bool(chain) and chain[0].path in self.states

    def _open(self, chain: Chain, stop: bool) -> bool:
        """Whether a chain has something running or still to open."""
        for child in chain:
            if child.path not in self.states:
                return not stop
            if self.states[child.path] is None:
                return True
        return False

    def _ready(self, path: str, node: Node, child: Child) -> bool:
        siblings = {sibling.id for sibling in node.branches.get("tasks", ())}
        needed = [id for id in node.depends_on.get(child.node.id, ()) if id in siblings]
        return all(self.states.get(f"{path}/{id}") is not None for id in needed)

    def _open_run(self, child: Child) -> None:
        self.states[child.path] = None
        if child.node.run_if is not None:
            self.asking[child.path] = "run_if"
        else:
            self._begin(child.path, child.node)

    def _begin(self, path: str, node: Node) -> None:
        if node.kind in ASKS:
            self.asking[path] = ASKS[node.kind]
