"""How each kind of block opens its branches: which children, how many at once, in which order."""

from __future__ import annotations

import json
from typing import Any

from engine.executor.after import AFTER
from engine.executor.approval import after_approval, begin_approval
from engine.executor.children import (
    COLLECT,
    ITEMS_ASK,
    attempts_of,
    collected,
    items_answered,
    open_children,
)
from engine.executor.finish import (
    ASKING,
    BEFORE,
    ERRORS,
    FINALLY,
    MAIN,
    WAITING,
    end_run,
    fail_block,
    next_phase,
    softened,
)
from engine.executor.names import (
    APPROVAL,
    ATTEMPTED,
    CALLERS,
    DAG,
    EACH_PARALLEL,
    FAILED,
    FOREACH,
    IF,
    ITEMS,
    LOOP,
    LOOP_UNTIL,
    PARALLEL,
    PAUSE,
    RESTARTED,
    RUNNING,
    SCOPE,
    SKIPPED,
    SWITCH,
)
from engine.executor.passes import LIMITS, UNTIL, after_pass, first_pass, pass_of, until_answered
from engine.executor.pause import after_pause, begin_pause
from engine.executor.plan import Node
from engine.executor.retry import children_again, try_again
from engine.executor.work import Work, awaited, entered, replace
from engine.state.command import Evaluate, RunTask
from engine.state.event import Evaluated
from engine.state.execution import Answer, Attempt, Phase, TaskRun

RUN_IF = "run_if"

# In these phases a block opens children.
PHASES = (MAIN, ERRORS, FINALLY, AFTER, WAITING, BEFORE)

# What a block of this kind must know before it opens anything.
QUESTIONS = {
    IF: "condition",
    SWITCH: "value",
    FOREACH: "values",
    EACH_PARALLEL: "values",
    PAUSE: "pause",
    APPROVAL: "approval",
    SCOPE: "scope",
    LOOP: ITEMS_ASK,
    ITEMS: ITEMS_ASK,
    LOOP_UNTIL: LIMITS,
}

# Blocks that open several lanes or children at once.
SIDE_BY_SIDE = frozenset({PARALLEL, DAG, FOREACH, EACH_PARALLEL})

# What follows once all children of a block have ended; for the others, its next phase.
AFTER_CHILDREN = {APPROVAL: after_approval, PAUSE: after_pause, LOOP_UNTIL: after_pass}

ASKS = frozenset({RUN_IF, *QUESTIONS.values()})

FALSY = ("", "false", "0", "-0")


def look(work: Work) -> None:
    """Work off what is to be looked at, as far as the budget goes."""
    while work.todo and work.budget > 0:
        path = work.todo.pop()
        if path.rfind("#") > path.rfind("/"):
            _continue_lane(work, path)
            continue
        block = work.block(path)
        if block is not None:
            _pump(work, path, block)
        else:
            run = work.run(path)
            if run is not None and not run.state.terminal:
                start_again(work, run)


def start_again(work: Work, run: TaskRun) -> None:
    """Run a task run once more that an edit of the past has chosen."""
    node = work.plan.nodes[run.node]
    work.budget -= 1
    if node.run_if is not None and not run.attempts:
        if node.kind not in ATTEMPTED:
            work.changed[run.path] = replace(run, block=Phase(ASKING, branch=RUN_IF))
        work.commands.append(Evaluate(run.path, RUN_IF))
    elif node.kind not in ATTEMPTED:
        if _begin(work, run, node):
            work.todo.append(run.path)
    elif run.state is RESTARTED and not awaited(run):
        try_again(work, run)


def open_run(work: Work, path: str, node: Node, value: str | None = None, iteration: int | None = None) -> bool:
    """Open a task run. True: it is a block whose children can be opened now."""
    if node.run_if is not None:
        block = None if node.kind in ATTEMPTED else Phase(ASKING, branch=RUN_IF)
        work.add(path, node, value, iteration, (), block)
        work.commands.append(Evaluate(path, RUN_IF))
        return False
    if node.kind in ATTEMPTED:
        number = work.fence + 1
        work.add(path, node, value, iteration, (Attempt(number, work.created),))
        work.commands.append(RunTask(path, number))
        return False
    return _begin(work, work.add(path, node, value, iteration), node)


def _begin(work: Work, run: TaskRun, node: Node) -> bool:
    """Start a block. True: its children can be opened now."""
    history = entered(run.history, RUNNING, work.at)
    ask = QUESTIONS.get(node.kind)
    block = Phase(ASKING, branch=ask) if ask else main_phase(node, "tasks")
    attempts = attempts_of(node, run, work.at)
    work.changed[run.path] = replace(run, history=history, block=block, attempts=attempts)
    if ask:
        work.commands.append(Evaluate(run.path, ask))
    return not ask


def main_phase(node: Node, branch: str) -> Phase:
    """The counters of a block before its first child."""
    return Phase(MAIN, branch=branch, total=len(node.branches.get(branch, ())))


def answered(work: Work, run: TaskRun, event: Evaluated) -> None:
    """The answer to what a task run asked; one that nobody waits for any more is left alone."""
    node = work.plan.nodes[run.node]
    if event.ask == RUN_IF:
        if _waits_for_run_if(run):
            _run_if_answered(work, run, node, event)
    elif run.block is not None and run.block.phase == ASKING and run.block.branch == event.ask:
        if event.error is not None:
            fail_block(work, run.path, event.error)
        elif node.kind is IF:
            _if_answered(work, run, node, event.value)
        elif node.kind is SWITCH:
            _switch_answered(work, run, node, event.value)
        elif event.ask == COLLECT:
            collected(work, run, event.value)
        elif node.kind in CALLERS:
            items_answered(work, run, node, event.value)
        elif node.kind is PAUSE:
            begin_pause(work, run, event.value)
        elif node.kind is APPROVAL:
            begin_approval(work, run, event.value)
        elif node.kind is SCOPE:
            _open_main(work, run, main_phase(node, "tasks"), event.value)
        elif event.ask == UNTIL:
            until_answered(work, run, node, truthy(event.value))
        elif node.kind is LOOP_UNTIL:
            first_pass(work, run, node, event.value)
        else:
            _values_answered(work, run, node, event.value)


def _waits_for_run_if(run: TaskRun) -> bool:
    if run.block is not None:
        return run.block.phase == ASKING and run.block.branch == RUN_IF
    return not run.attempts


def _run_if_answered(work: Work, run: TaskRun, node: Node, event: Evaluated) -> None:
    if event.error is not None:
        error = f"Unable to evaluate the runIf condition for task {node.id}: {event.error}"
        end_run(work, run, softened(node, FAILED), error=error)
    elif not truthy(event.value):
        end_run(work, run, SKIPPED)
    elif node.kind in ATTEMPTED:
        try_again(work, run)
    elif _begin(work, run, node):
        work.todo.append(run.path)


def truthy(value: Any) -> bool:
    """Whether a rendered condition holds: everything but empty, `false`, `0` and `-0`."""
    return value is not None and value is not False and str(value) not in FALSY


def _if_answered(work: Work, run: TaskRun, node: Node, value: Any) -> None:
    holds = truthy(value)
    _open_main(work, run, main_phase(node, "then" if holds else "else"), {"evaluationResult": holds})


def _switch_answered(work: Work, run: TaskRun, node: Node, value: Any) -> None:
    text = text_of(value)
    found = f"case:{text}" in node.branches
    outputs = {"value": text, "defaults": not found}
    branch = f"case:{text}" if found else "defaults"
    if branch in node.branches:
        _open_main(work, run, main_phase(node, branch), outputs)
    else:
        work.changed[run.path] = replace(run, outputs=outputs)
        fail_block(work, run.path, f"No case of '{node.id}' matches the value '{text}' and it has no defaults")


def _values_answered(work: Work, run: TaskRun, node: Node, values: list[Any]) -> None:
    nulls = sum(1 for value in values if value is None)
    if nulls:
        fail_block(work, run.path, f"Found '{nulls}' null values on Each, with values={text_of(values)}")
        return
    texts = list(dict.fromkeys(text_of(value) for value in values))
    work.answers[run.path] = Answer(value=texts)
    tasks = len(node.branches.get("tasks", ()))
    total = len(texts) * (tasks if node.kind is EACH_PARALLEL else min(tasks, 1))
    _open_main(work, run, Phase(MAIN, branch="tasks", total=total), None)


def text_of(value: Any) -> str:
    """A value as text: what is no text becomes JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _open_main(work: Work, run: TaskRun, block: Phase, outputs: dict[str, Any] | None) -> None:
    work.changed[run.path] = replace(run, block=block, outputs=outputs)
    work.todo.append(run.path)


def _pump(work: Work, path: str, block: Phase) -> None:
    """Open what a block may open now; when nothing is left and nothing runs, go to its next phase."""
    if block.phase not in PHASES or work.stopping is not None or block.stopping is not None:
        return
    node = work.node(path)
    if block.phase == MAIN and node.kind in CALLERS:
        if open_children(work, path, node, block):
            ended = work.block(path)
            assert ended is not None
            if not children_again(work, path, node, ended):
                next_phase(work, path, node, work.block(path) or ended)
        return
    if block.next < block.total and not (block.failed and block.phase == MAIN):
        opened = _open_more(work, path, node, block)
        if opened is None:
            return
        block = opened
        if work.budget <= 0 and room(node, block):
            work.todo.append(path)
            return
    if block.live == 0:
        AFTER_CHILDREN.get(node.kind, next_phase)(work, path, node, block)


def _open_more(work: Work, path: str, node: Node, block: Phase) -> Phase | None:
    """Open children while there is room; None where a child is a block whose own children come first."""
    if block.phase == MAIN and node.kind is DAG:
        return _open_ready(work, path, node, block)
    looping = block.phase == MAIN and node.kind in (FOREACH, EACH_PARALLEL)
    children = node.branches[block.branch]
    values = _values(work, path) if looping else []
    prefix = f"{path}/" if path else ""
    iteration = pass_of(work, path, node) if block.phase == MAIN else None
    limit = _limit(node, block) or block.total
    position, live = block.next, block.live
    while position < block.total and live < limit and work.budget > 0:
        if looping:
            lane, place = divmod(position, len(children)) if node.kind is EACH_PARALLEL else (position, 0)
            child = children[place]
            child_path = f"{path}#{lane}/{child.id}"
        else:
            child = children[position]
            child_path = prefix + child.id
        if work.run(child_path) is not None:
            # It was there before an edit.
            left = _left_in_lane(work, path, lane, children) if looping and node.kind is FOREACH else None
            if left is None:
                position += 1
                continue
            child, child_path = left, f"{path}#{lane}/{left.id}"
        if looping:
            is_block = open_run(work, child_path, child, values[lane], lane)
        else:
            is_block = open_run(work, child_path, child, None, iteration)
        position += 1
        live += 1
        if is_block:
            work.blocks[path] = replace(block, next=position, live=live)
            work.todo += (path, child_path)
            return None
    work.blocks[path] = block = replace(block, next=position, live=live)
    return block


def _left_in_lane(work: Work, path: str, lane: int, children: tuple[Node, ...]) -> Node | None:
    """The task with which a lane goes on that was left before an edit; None where it is over, or going on."""
    lane_path = f"{path}#{lane}"
    for child in children:
        run = work.run(f"{lane_path}/{child.id}")
        if run is None:
            going_on = lane_path in work.todo or lane_path in work.get("pending")
            return None if going_on else child
        if not run.state.terminal:
            return None
    return None


def _open_ready(work: Work, path: str, node: Node, block: Phase) -> Phase | None:
    """Open the children of a Dag whose dependencies have ended; None as in `_open_more`."""
    children = {child.id: child for child in node.branches[block.branch]}
    for child in children.values():
        if work.budget <= 0 or not room(node, block):
            break
        child_path = f"{path}/{child.id}"
        if work.run(child_path) is not None:
            continue
        waits_for = (work.run(f"{path}/{id}") for id in node.depends_on.get(child.id, ()) if id in children)
        if any(run is None or not run.state.terminal for run in waits_for):
            continue
        work.blocks[path] = block = replace(block, next=block.next + 1, live=block.live + 1)
        if open_run(work, child_path, child):
            work.todo += (path, child_path)
            return None
    return block


def room(node: Node, block: Phase) -> bool:
    """Whether a block may open another child now."""
    if block.next >= block.total or (block.phase == MAIN and block.failed):
        return False
    limit = _limit(node, block)
    return not limit or block.live < limit


def _limit(node: Node, block: Phase) -> int:
    """How many children or lanes of the current phase may be open at once; 0 is unlimited."""
    if block.phase == MAIN and node.kind in SIDE_BY_SIDE:
        return node.concurrent
    return 1


def _values(work: Work, path: str) -> list[str]:
    values: list[str] = (work.answers.get(path) or work.record.answers[path]).value
    return values


def _continue_lane(work: Work, path: str) -> None:
    """Open the next child for one value of a loop."""
    above, _, lane = path.rpartition("#")
    block = work.block(above)
    if block is None or block.phase != MAIN or work.stopping is not None or block.stopping is not None:
        return
    if not block.failed:
        for child in work.node(above).branches[block.branch]:
            child_path = f"{path}/{child.id}"
            if work.run(child_path) is None:
                if open_run(work, child_path, child, _values(work, above)[int(lane)], int(lane)):
                    work.todo.append(child_path)
                return
    # It is over: it was done before an edit, or another lane failed since.
    work.blocks[above] = replace(block, live=block.live - 1)
    work.todo.append(above)
