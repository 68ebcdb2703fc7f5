"""What runs once an execution has ended: the tasks of its listeners, then those of `afterExecution`.

Each listener is asked first whether its conditions hold. None of it changes how the execution ended.
"""

from __future__ import annotations

from typing import Final

from engine.executor.names import RETRIED
from engine.executor.plan import Plan
from engine.executor.work import Work, replace
from engine.state.command import Evaluate
from engine.state.execution import Phase
from engine.state.status import Status

AFTER: Final = "afterExecution"
LISTENER: Final = "listener:"
DONE: Final = "done"


def listener(place: int) -> str:
    """The branch of a listener, and what is asked of it."""
    return f"{LISTENER}{place}"


def is_after(branch: str) -> bool:
    """Whether the tasks of a branch run after the end."""
    return branch == AFTER or branch.startswith(LISTENER)


def branches(plan: Plan) -> list[str]:
    """The branches that run after the end, in their order."""
    return [*map(listener, range(len(plan.listeners))), AFTER]


def begin_after(work: Work, block: Phase, state: Status) -> None:
    """The execution has ended. Nothing follows one that is tried again as another."""
    if state is RETRIED or not any(work.plan.root.branches.get(branch) for branch in branches(work.plan)):
        work.blocks[""] = replace(block, phase=DONE, live=0)
        return
    work.stopping = None
    work.put(killing=False, requested=None, sparing=False)
    _open(work, block, branches(work.plan))


def after_branch(work: Work, block: Phase) -> None:
    """A branch has ended: the next one follows."""
    following = branches(work.plan)
    _open(work, block, following[following.index(block.branch) + 1 :])


def is_asking(block: Phase) -> bool:
    """Whether it is asked if the conditions of a listener hold."""
    return block.phase == AFTER and block.total == 0 and block.live == 1


def answered_after(work: Work, branch: str, holds: bool) -> None:
    """Whether the conditions of a listener hold."""
    block = work.block("")
    if block is None or not is_asking(block) or block.branch != branch:
        return
    total = len(work.plan.root.branches.get(branch, ())) if holds else 0
    work.blocks[""] = replace(block, live=0, total=total)
    work.todo.append("")


def _open(work: Work, block: Phase, following: list[str]) -> None:
    for branch in following:
        tasks = work.plan.root.branches.get(branch, ())
        if not tasks:
            continue
        asks = branch.startswith(LISTENER) and work.plan.listeners[int(branch.removeprefix(LISTENER))]
        block = replace(
            block, phase=AFTER, branch=branch, next=0, live=1 if asks else 0, total=0 if asks else len(tasks)
        )
        work.blocks[""] = block
        if asks:
            work.commands.append(Evaluate("", branch))
        else:
            work.todo.append("")
        return
    work.blocks[""] = replace(block, phase=DONE, live=0)
