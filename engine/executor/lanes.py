"""How each kind of block opens its branches: which children, how many at once, in which order."""

from __future__ import annotations

import json
from typing import Any

from engine.executor.finish import (
    ASKING,
    DONE,
    ERRORS,
    FINALLY,
    MAIN,
    OUTPUTS,
    end_run,
    fail_block,
    next_phase,
    softened,
)
from engine.executor.plan import Kind, Node
from engine.executor.retry import try_again
from engine.executor.work import Work, entered, replace
from engine.state.command import Evaluate, RunTask
from engine.state.event import Evaluated
from engine.state.execution import Answer, Attempt, Change, Phase, TaskRun
from engine.state.status import Status

RUN_IF = "run_if"

# What a block of this kind must know before it opens anything.
QUESTIONS = {Kind.IF: "condition", Kind.SWITCH: "value", Kind.FOREACH: "values"}

FALSY = ("", "false", "0", "-0")


def look(work: Work) -> None:
    """Work off what is to be looked at, as far as the budget goes."""
    while work.todo and work.budget > 0:
        path = work.todo.pop()
        if "#" in path and "#" in path.rpartition("/")[2]:
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
        if node.kind is not Kind.TASK:
            work.changed[run.path] = replace(run, block=Phase(ASKING, branch=RUN_IF))
        work.commands.append(Evaluate(run.path, RUN_IF))
    elif node.kind is not Kind.TASK:
        if _begin(work, run, node):
            work.todo.append(run.path)
    elif run.state is Status.RESTARTED and not live(run):
        try_again(work, run)


def live(run: TaskRun) -> bool:
    """Whether an attempt of the task run was handed out and has not ended."""
    return bool(run.attempts) and not run.attempts[-1].state.terminal


def open_run(work: Work, path: str, node: Node, value: str | None = None, iteration: int | None = None) -> bool:
    """Open a task run. True: it is a block whose children can be opened now."""
    if node.run_if is not None:
        block = None if node.kind is Kind.TASK else Phase(ASKING, branch=RUN_IF)
        work.add(path, node, value, iteration, block=block)
        work.commands.append(Evaluate(path, RUN_IF))
        return False
    if node.kind is Kind.TASK:
        work.add(path, node, value, iteration, attempts=(Attempt(1, (Change(Status.CREATED, work.at),)),))
        work.commands.append(RunTask(path, 1))
        return False
    return _begin(work, work.add(path, node, value, iteration), node)


def _begin(work: Work, run: TaskRun, node: Node) -> bool:
    """Start a block. True: its children can be opened now."""
    history = entered(run.history, Status.RUNNING, work.at)
    ask = QUESTIONS.get(node.kind)
    block = Phase(ASKING, branch=ask) if ask else main_phase(node, "tasks")
    work.changed[run.path] = replace(run, history=history, block=block)
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
        elif node.kind is Kind.IF:
            _if_answered(work, run, node, event.value)
        elif node.kind is Kind.SWITCH:
            _switch_answered(work, run, node, event.value)
        else:
            _values_answered(work, run, node, event.value)


def _waits_for_run_if(run: TaskRun) -> bool:
    if run.block is not None:
        return run.block.phase == ASKING and run.block.branch == RUN_IF
    return not run.attempts


def _run_if_answered(work: Work, run: TaskRun, node: Node, event: Evaluated) -> None:
    if event.error is not None:
        error = f"Unable to evaluate the runIf condition for task {node.id}: {event.error}"
        end_run(work, run, softened(node, Status.FAILED), error=error)
    elif not truthy(event.value):
        end_run(work, run, Status.SKIPPED)
    elif node.kind is Kind.TASK:
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
    total = len(texts) if node.branches.get("tasks") else 0
    _open_main(work, run, Phase(MAIN, branch="tasks", total=total), None)


def text_of(value: Any) -> str:
    """A value as text: what is no text becomes JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _open_main(work: Work, run: TaskRun, block: Phase, outputs: dict[str, Any] | None) -> None:
    work.changed[run.path] = replace(run, block=block, outputs=outputs)
    work.todo.append(run.path)


def _pump(work: Work, path: str, block: Phase) -> None:
    """Open what a block may open now; when nothing is left and nothing runs, go to its next phase."""
    if block.phase in (ASKING, OUTPUTS, DONE) or work.stopping is not None:
        return
    node = work.node(path) if path else work.plan.root
    if not (block.phase == MAIN and block.failed):
        inside = _open_more(work, path, node, block)
        if inside is not None:
            work.todo += (path, inside)
            return
        opened = work.block(path)
        assert opened is not None
        block = opened
        if block.live or (block.next < block.total and work.budget <= 0):
            if work.budget <= 0 and room(node, block):
                work.todo.append(path)
            return
    if block.live == 0:
        next_phase(work, path, node, block)


def room(node: Node, block: Phase) -> bool:
    """Whether a block may open another child now."""
    if block.next >= block.total or (block.phase == MAIN and block.failed):
        return False
    limit = _limit(node, block)
    return not limit or block.live < limit


def _limit(node: Node, block: Phase) -> int:
    """How many children or lanes of the current phase may be open at once; 0 is unlimited."""
    if block.phase in (ERRORS, FINALLY):
        return 1
    return node.concurrent if node.kind in (Kind.PARALLEL, Kind.DAG, Kind.FOREACH) else 1


def _open_more(work: Work, path: str, node: Node, block: Phase) -> str | None:
    """Open children while there is room; stops at a block whose own children come first, and returns its path."""
    if node.kind is Kind.DAG and block.phase == MAIN:
        return _open_ready(work, path, node, block)
    looping = node.kind is Kind.FOREACH and block.phase == MAIN
    children = node.branches.get(block.branch, ())
    values = _values(work, path) if looping else []
    prefix = f"{path}/" if path else ""
    limit = _limit(node, block) or block.total
    position, open_now = block.next, block.live
    inside = None
    while position < block.total and open_now < limit and work.budget > 0 and inside is None:
        if looping:
            child, child_path = children[0], f"{path}#{position}/{children[0].id}"
            block_opened = open_run(work, child_path, child, values[position], position)
        else:
            child = children[position]
            child_path = f"{prefix}{child.id}"
            block_opened = open_run(work, child_path, child)
        position += 1
        open_now += 1
        inside = child_path if block_opened else None
    if position != block.next:
        work.put_block(path, replace(block, next=position, live=open_now))
    return inside


def _values(work: Work, path: str) -> list[str]:
    answer = work.answer(path)
    assert answer is not None
    values: list[str] = answer.value
    return values


def _open_ready(work: Work, path: str, node: Node, block: Phase) -> str | None:
    """Open the children of a Dag whose dependencies have ended."""
    children = {child.id: child for child in node.branches.get(block.branch, ())}
    for child in children.values():
        if not room(node, block) or work.budget <= 0:
            break
        child_path = f"{path}/{child.id}"
        if work.run(child_path) is not None:
            continue
        waits_for = (work.run(f"{path}/{id}") for id in node.depends_on.get(child.id, ()) if id in children)
        if any(run is None or not run.state.terminal for run in waits_for):
            continue
        block = replace(block, next=block.next + 1, live=block.live + 1)
        work.put_block(path, block)
        if open_run(work, child_path, child):
            return child_path
    return None


def _continue_lane(work: Work, path: str) -> None:
    """Open the next child for one value of a loop."""
    above, _, lane = path.rpartition("#")
    block = work.block(above)
    if block is None or block.phase != MAIN or work.stopping is not None:
        return
    if block.failed:
        # Another lane failed since this one was left: it ends where it is.
        work.put_block(above, replace(block, live=block.live - 1))
        work.todo.append(above)
        return
    for child in work.node(above).branches[block.branch]:
        child_path = f"{path}/{child.id}"
        if work.run(child_path) is None:
            if open_run(work, child_path, child, _values(work, above)[int(lane)], int(lane)):
                work.todo.append(child_path)
            return
