"""Block counters from the task runs alone: after an edit, and as a check of the counters that were kept all along."""

from __future__ import annotations

from typing import NamedTuple

from engine.executor.after import AFTER, DONE, is_after
from engine.executor.approval import behavior, decided_branch, settled, stops_around
from engine.executor.finish import (
    AGAIN,
    ASKING,
    BEFORE,
    ERRORS,
    FAILURES,
    FINALLY,
    MAIN,
    ON_PAUSE,
    ON_WAIT,
    OUTPUTS,
    STOPS,
    WAITING,
    calls_many,
    ranks,
    worse,
)
from engine.executor.names import CALLERS
from engine.executor.pause import warned
from engine.executor.plan import Kind, Node, Plan
from engine.executor.work import replace
from engine.state.execution import Phase, TaskRun, lane_of, node_of, parent_path
from engine.state.record import Record
from engine.state.status import Status

# The phase in which a branch runs, where it isn't the main one.
PHASES = {ERRORS: ERRORS, FINALLY: FINALLY, ON_PAUSE: WAITING, ON_WAIT: BEFORE, AFTER: AFTER}


class Rebuilt(NamedTuple):
    """The counters of every open block, the flow's under the empty path, and the lanes whose next child is missing."""

    blocks: dict[str, Phase]
    lanes: list[str]


class Lane:
    """What the task runs of one loop value come to."""

    __slots__ = ("bad", "last", "open")

    def __init__(self) -> None:
        self.last = -1
        self.open = False
        self.bad = False


class Tally:
    """What the children of one block come to."""

    __slots__ = ("failing", "lanes", "live", "opened", "places", "positions", "ranks", "reached", "stopped", "worst")

    def __init__(self, node: Node) -> None:
        self.places = {
            child.id: (branch, index)
            for branch, children in node.branches.items()
            for index, child in enumerate(children)
        }
        self.opened = dict.fromkeys((MAIN, *PHASES.values()), 0)
        self.reached = dict.fromkeys((MAIN, *PHASES.values()), 0)
        self.live = dict.fromkeys((MAIN, *PHASES.values()), 0)
        self.stopped = dict.fromkeys((MAIN, *PHASES.values()), False)
        self.failing = False
        self.worst = Status.SUCCESS
        self.ranks = ranks(node)
        self.lanes: dict[int, Lane] = {}
        self.positions: set[tuple[int, int]] = set()

    def add(self, run: TaskRun) -> None:
        """Count a child of the block."""
        branch, index = self.places[run.node]
        phase = AFTER if is_after(branch) else PHASES.get(branch, MAIN)
        bad = run.state in STOPS
        self.opened[phase] += 1
        self.reached[phase] = max(self.reached[phase], index + 1)
        self.live[phase] += not run.state.terminal
        self.stopped[phase] = self.stopped[phase] or bad
        if phase == MAIN and run.state.terminal:
            self.worst = worse(self.worst, run.state, self.ranks)
            self.failing = self.failing or run.state in FAILURES
        number = lane_of(run.path)
        if phase == MAIN:
            self.positions.add((number or 0, index))
        if number is not None:
            lane = self.lanes.setdefault(number, Lane())
            lane.last = max(lane.last, index)
            lane.open = lane.open or not run.state.terminal
            lane.bad = lane.bad or bad


def rebuild(plan: Plan, record: Record) -> Rebuilt:
    """Recompute the counters of every open block."""
    tallies = {
        run.path: Tally(plan.nodes[run.node])
        for run in record.runs.values()
        if run.block is not None and not run.state.terminal
    }
    tallies[""] = Tally(plan.root)
    for run in record.runs.values():
        tally = tallies.get(parent_path(run.path))
        if tally is not None and not run.reported:
            tally.add(run)
        node = plan.nodes.get(run.node)
        if node is not None and node.kind is Kind.APPROVAL and stops_around(run, behavior(record, run)):
            _stop_around(run.path, tallies)
    rebuilt = Rebuilt({}, [])
    for path, tally in sorted(tallies.items(), key=lambda item: item[0].count("/") + bool(item[0])):
        held = record.runs[path].block if path else record.execution.block
        if held is None:
            continue
        around = rebuilt.blocks.get(parent_path(path)) if path else None
        if around is not None and around.stopping is not None:
            rebuilt.blocks[path] = _stopping(plan, record.runs[path], tally, around.stopping)
            continue
        # A loop that asks whether its last pass was enough does so again when something of that was done again.
        asks = held.phase == ASKING and not tally.live[MAIN]
        over = not path and held.phase in (OUTPUTS, AFTER, DONE)
        if asks or over or held.phase == AGAIN or _passes(plan, record, path, held):
            rebuilt.blocks[path] = held
        elif held.phase == BEFORE:
            rebuilt.blocks[path] = _before(plan.nodes[record.runs[path].node], tally)
        elif tally.live[WAITING] or (held.phase == WAITING and _waits(plan, record.runs[path])):
            rebuilt.blocks[path] = _waiting(plan, record.runs[path], tally)
        else:
            rebuilt.blocks[path] = _counted(plan, record, path, tally, rebuilt.lanes)
    return rebuilt


def _decided(node: Node, run: TaskRun | None, tally: Tally) -> str:
    """The phase of a block of which no child beside the main ones is there yet."""
    held = None if run is None else run.block
    # That the last pass was enough is known from the counters alone.
    over = (
        node.kind is Kind.LOOP_UNTIL and not tally.live[MAIN] and held is not None and held.phase in (ERRORS, FINALLY)
    )
    return held.phase if over and held is not None else MAIN


def _stopping(plan: Plan, run: TaskRun, tally: Tally, state: Status) -> Phase:
    """A block in which everything is being brought to an end, which only counts what is left."""
    assert run.block is not None
    live = run.block.live if calls_many(plan.nodes[run.node], run) else sum(tally.live.values())
    return replace(run.block, live=live, stopping=state)


def _passes(plan: Plan, record: Record, path: str, held: Phase) -> bool:
    """Whether a LoopUntil is between two passes."""
    run = record.runs.get(path)
    return (
        run is not None
        and held.phase == WAITING
        and run.due is not None
        and plan.nodes[run.node].kind is Kind.LOOP_UNTIL
    )


def _waits(plan: Plan, run: TaskRun) -> bool:
    """Whether a block waits, or no longer does and has still to run what it would have run meanwhile."""
    return run.state is Status.PAUSED or plan.nodes[run.node].kind in (Kind.PAUSE, Kind.APPROVAL)


def _counted(plan: Plan, record: Record, path: str, tally: Tally, stalled: list[str]) -> Phase:
    run = record.runs.get(path)
    node = plan.root if run is None else plan.nodes[run.node]
    own_failure = run is not None and run.error is not None
    failed = own_failure or tally.stopped[MAIN]
    worst = worse(tally.worst, Status.FAILED) if own_failure else tally.worst
    if node.kind is Kind.FOLDER and run is not None:
        # Its main tasks are those of its attempt.
        worst = run.attempts[-1].state
        failed = worst in STOPS
    if node.kind is Kind.PAUSE and run is not None and warned(run.outputs):
        worst = worse(worst, Status.WARNING)
    phase = next((name for name in (FINALLY, ERRORS) if tally.opened[name]), _decided(node, run, tally))
    if run is not None and phase == MAIN and node.kind in CALLERS and run.block is not None:
        # Its children are executions, counted where the edit was made.
        return run.block
    branch = main_branch(node, run) if phase == MAIN else phase
    total = len(node.branches.get(branch, ()))
    position, live = min(tally.reached[phase], total), tally.live[phase]
    if node.kind is Kind.FOLDER and phase == MAIN:
        total = position = 0
    elif phase != MAIN:
        position = total if tally.stopped[phase] else position
    elif node.kind is Kind.DAG:
        position = tally.opened[MAIN]
    elif node.kind is Kind.PARALLEL:
        position = next((place for place in range(total) if (0, place) not in tally.positions), total)
    elif node.kind is Kind.EACH_PARALLEL and not own_failure:
        width = total
        total *= len(record.answers[path].value)
        position = next((at for at in range(total) if divmod(at, width) not in tally.positions), total)
    elif node.kind is Kind.FOREACH and not own_failure:
        left = [number for number, lane in sorted(tally.lanes.items()) if _stalled(lane, total)]
        lanes = [number for number in left if f"{path}#{number}" in record.execution.pending]
        stalled += (f"{path}#{number}" for number in lanes)
        total = len(record.answers[path].value) if total else 0
        # Other lanes that were left before an edit go on when there is room, as those that have not begun.
        begun = tally.lanes.keys() - (() if failed else set(left) - set(lanes))
        position = next(number for number in range(total + 1) if number not in begun)
        live = sum(1 for lane in tally.lanes.values() if lane.open) + len(lanes)
    block = Phase(phase, branch=branch, next=position, total=total, live=live, worst=worst, failed=failed)
    if run is not None and run.block is not None and tally.failing and live:
        # What failed before an edit ends nothing after it.
        block = replace(block, stopping=run.block.stopping)
    return settled(block, behavior(record, run)) if node.kind is Kind.APPROVAL and run and phase != MAIN else block


def _waiting(plan: Plan, run: TaskRun, tally: Tally) -> Phase:
    total = len(plan.nodes[run.node].branches.get(ON_PAUSE, ()))
    position = total if tally.stopped[WAITING] else tally.reached[WAITING]
    return Phase(WAITING, branch=ON_PAUSE, next=position, total=total, live=tally.live[WAITING])


def _before(node: Node, tally: Tally) -> Phase:
    total, failed = len(node.branches[ON_WAIT]), tally.stopped[BEFORE]
    position = total if failed else tally.reached[BEFORE]
    return Phase(BEFORE, branch=ON_WAIT, next=position, total=total, live=tally.live[BEFORE], failed=failed)


def _stop_around(path: str, tallies: dict[str, Tally]) -> None:
    """Count in what an Approval stopped when it ended."""
    while path:
        above = parent_path(path)
        if above in tallies:
            tally = tallies[above]
            tally.stopped[PHASES.get(tally.places[node_of(path)][0], MAIN)] = True
        path = above


def _stalled(lane: Lane, total: int) -> bool:
    return not lane.open and not lane.bad and lane.last < total - 1


def main_branch(node: Node, run: TaskRun | None) -> str:
    """The branch that a block chose for its main phase; empty where it could not."""
    if run is not None and run.error is not None:
        return ""
    outputs = {} if run is None or run.outputs is None else run.outputs
    if node.kind is Kind.IF:
        return "then" if outputs.get("evaluationResult") else "else"
    if node.kind is Kind.SWITCH:
        return "defaults" if outputs.get("defaults") else f"case:{outputs.get('value')}"
    return decided_branch(run) if node.kind is Kind.APPROVAL else "tasks"
