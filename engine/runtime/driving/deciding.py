"""Lets the reducer take in what happened, with the answers that can be had at once."""

from __future__ import annotations

from collections.abc import Sequence

from engine.executor.advance import advance, apply
from engine.ids import ExecutionId
from engine.runtime.driving.callees import calls
from engine.runtime.driving.changes import Changes
from engine.runtime.driving.evaluate import Evaluator
from engine.runtime.driving.hot import Hot
from engine.state.command import Command, DropTimer, Evaluate, StartChild, StopTask, TakeSlot, WakeAt
from engine.state.event import AnyEvent, ChildEnded, Due, Edited, TaskEnded, TaskStarted
from engine.state.status import Status


class Deciding:
    """Turns events into changes of an execution in hand."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def take_in(self, hot: Hot, events: Sequence[AnyEvent]) -> Changes:
        """Let the reducer take in events, with the answers that can be had at once."""
        plan, record = hot.compiled.plan, hot.record
        changes = Changes()
        todo = list(reversed(events))
        while todo:
            event = todo.pop()
            if isinstance(event, TaskEnded) or (isinstance(event, TaskStarted) and event.outputs is not None):
                hot.running.discard((event.path, event.attempt))
                if isinstance(event, TaskEnded) and event.state is Status.KILLED and self._reaches(hot, event.path):
                    # It may have started another execution in the moment in which it was stopped.
                    changes.commands.append(StopTask(event.path, event.attempt))
            elif isinstance(event, Due):
                changes.drop(event.path, event.kind)
            step = advance(plan, record, event)
            if step.empty:
                continue
            if isinstance(event, ChildEnded) and event.child is not None:
                changes.told.append(ExecutionId(event.child))
            apply(record, step)
            changes.add(step)
            if step.removed or isinstance(event, Edited):
                hot.look_again()
            else:
                for run in step.changed.values():
                    hot.view.add(run)
            answers = [self._take(hot, command, changes) for command in step.commands]
            todo.extend(answer for answer in reversed(answers) if answer is not None)
        return changes

    @staticmethod
    def _reaches(hot: Hot, path: str) -> bool:
        """Whether the task run at a path may have started an execution that is stopped with it."""
        return calls(hot, path) and not hot.record.execution.sparing

    def _take(self, hot: Hot, command: Command, changes: Changes) -> AnyEvent | None:
        """Note a command for after the commit; the answer to a question that needs no I/O."""
        if isinstance(command, Evaluate):
            answer = self._evaluator.now(hot.compiled.plan, hot.view, command)
            if answer is None:
                changes.asks.append(command)
            return answer
        if isinstance(command, WakeAt):
            changes.wake(command)
        elif isinstance(command, StartChild):
            changes.starts.append(command)
        elif isinstance(command, DropTimer):
            changes.drop(command.path, command.kind)
        elif isinstance(command, TakeSlot):
            changes.slot = command
        else:
            changes.commands.append(command)
        return None
