"""A whole execution in memory."""

from __future__ import annotations

from engine.state.command import Step
from engine.state.execution import Answer, Execution, TaskRun


class Record:
    """An execution as a process holds it: the execution, its task runs by path, its answers by path.

    Only `apply` changes it, and only with a `Step`; the owner drops it when a commit fails.

    edit: what an edit of the past changed and no commit has written yet; the next `Edited` writes it
    """

    __slots__ = ("answers", "edit", "execution", "runs")

    def __init__(
        self,
        execution: Execution,
        runs: dict[str, TaskRun] | None = None,
        answers: dict[str, Answer] | None = None,
        edit: Step | None = None,
    ) -> None:
        self.execution = execution
        self.edit = edit
        self.runs = runs if runs is not None else {}
        self.answers = answers if answers is not None else {}
