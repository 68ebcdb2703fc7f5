"""What is open below a block, found by the plan: an execution may have many thousands of task runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.executor.names import EACH_PARALLEL, FOREACH
from engine.executor.plan import Node, Plan
from engine.state.execution import Phase, TaskRun, node_of

Find = Callable[[str], TaskRun | None]


def open_below(plan: Plan, find: Find, path: str, block: Phase | None) -> Iterator[TaskRun]:
    """The task runs below a block that have not ended, each before those below it; not those that attempts reported.

    find: the task run at a path, its counters up to date
    """
    todo = [(path, block)]
    while todo:
        above, counters = todo.pop()
        node = plan.nodes[node_of(above)]
        for child in _paths(node, above, counters):
            run = find(child)
            if run is not None and not run.state.terminal and not run.reported:
                yield run
                if run.block is not None:
                    todo.append((run.path, run.block))


def is_below(path: str, block: str) -> bool:
    """Whether a task run or a lane lies below a block; everything lies below the flow, whose path is empty."""
    return not block or path.startswith((f"{block}/", f"{block}#"))


def _paths(node: Node, path: str, block: Phase | None) -> Iterator[str]:
    """Where the children of a block may stand."""
    prefix = f"{path}/" if path else ""
    for branch, children in node.branches.items():
        if branch == "tasks" and node.kind in (FOREACH, EACH_PARALLEL):
            for lane in range(_lanes(node, block)):
                yield from (f"{path}#{lane}/{child.id}" for child in children)
        else:
            yield from (f"{prefix}{child.id}" for child in children)


def _lanes(node: Node, block: Phase | None) -> int:
    """How many lanes of a loop may have begun, also beyond the next one: an edit may have left some behind."""
    tasks = len(node.branches["tasks"])
    if block is None or block.branch != "tasks" or not tasks:
        return 0
    # An EachParallel counts each task of a lane.
    return block.total if node.kind is FOREACH else block.total // tasks
