"""Task runs that an attempt reports: the tasks of a folder, and what a task says it did in parts.

They lie below the task run whose attempt reports them. Nothing here opens them, and no block counts them: they are
there to be seen, they end with their attempt at the latest, and another attempt begins without them.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.executor.finish import MAIN, STOPS, end_run, ending, softened
from engine.executor.names import FOLDER, KILLED, SUCCESS, WARNING
from engine.executor.work import Work, replace
from engine.state.event import Report
from engine.state.execution import Change, Phase, TaskRun
from engine.state.status import Status


def take_in(work: Work, run: TaskRun, reports: tuple[Report, ...]) -> None:
    """Write what the current attempt of a task run reports; what is known already, or older, is left alone."""
    count = run.reports
    for report in reports:
        path = f"{run.path}/{report.name}"
        held = work.run(path)
        if held is None:
            count += 1
            held = TaskRun(report.id, path, report.node, work.made, report.history, reported=True)
            held = replace(held, value=report.value, iteration=report.iteration, generation=run.generation)
            work.made += 1
        elif held.state.terminal or len(report.history) <= len(held.history):
            continue
        held = work.changed[path] = replace(
            held, history=report.history, attempts=report.attempts, outputs=report.outputs, error=report.error
        )
        if held.reports and held.state.terminal:
            close_left(work, held, held.state)
    if count != run.reports:
        work.changed[run.path] = replace(run, reports=count)


def close_left(work: Work, run: TaskRun, state: Status) -> None:
    """The attempt ended: what it reported and left open ends too, as it did itself or KILLED."""
    final = state if state in (SUCCESS, WARNING) else KILLED
    for path in dict.fromkeys(_paths(work, run)):
        child = work.run(path)
        assert child is not None
        if not child.state.terminal:
            attempts = child.attempts
            if attempts and not attempts[-1].state.terminal:
                last = attempts[-1]
                attempts = (*attempts[:-1], replace(last, history=(*last.history, Change(final, work.at))))
            work.changed[path] = replace(child, history=(*child.history, Change(final, work.at)), attempts=attempts)


def forget(work: Work, run: TaskRun) -> TaskRun:
    """Remove what earlier attempts of a task run reported."""
    gone = tuple(dict.fromkeys(_paths(work, run)))
    for path in gone:
        work.changed.pop(path, None)
    work.removed = (*work.removed, *gone)
    return replace(run, reports=0)


def _paths(work: Work, run: TaskRun) -> Iterator[str]:
    """What attempts of a task run reported, and what that reported in turn."""
    node = work.plan.nodes[run.node]
    if node.kind is FOLDER:
        # Found by name: a loop may hold thousands of folders.
        members = [work.run(f"{run.path}/{child.id}") for child in node.branches.get("tasks", ())]
        found = [member for member in members if member is not None]
        for member in found:
            yield member.path
            if member.reports:
                yield from _paths(work, member)
        if len(found) == run.reports:
            return
    prefix = f"{run.path}/"
    yield from [other.path for other in work.runs() if other.reported and other.path.startswith(prefix)]


def folder_ended(work: Work, run: TaskRun, state: Status, outputs: dict[str, object] | None) -> None:
    """The attempt of a folder ended: its errors and finally branches follow, then its own end."""
    node = work.plan.nodes[run.node]
    failed = state in STOPS
    follows = node.branches.get("finally") or (failed and node.branches.get("errors"))
    if work.stopping is None and ending(work, run.path) is None and follows:
        block = Phase(MAIN, branch="tasks", worst=state, failed=failed)
        work.changed[run.path] = replace(run, outputs=outputs, block=block)
        work.todo.append(run.path)
    else:
        end_run(work, run, softened(node, state), outputs=outputs)
