"""`tidegate execution approve` and `deny`: decisions on what waits for one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Config, Data, Flows, Id, Server
from engine.cli.session import run_async
from engine.ids import ExecutionId

if TYPE_CHECKING:
    from engine.cli.port import Client

Comment = Annotated[str | None, typer.Option("--comment", "-c", help="Why; some approvals ask for it.")]
Inputs = Annotated[list[str] | None, typer.Option("-i", "--input", help="An input: key=value.")]
Files = Annotated[list[str] | None, typer.Option("-f", "--file", help="A FILE input: key=path.")]
OfTask = Annotated[str | None, typer.Option("--task", help="The task that waits, where several do.")]


def approve(
    id: Id,
    comment: Comment = None,
    inputs: Inputs = None,
    files: Files = None,
    task: OfTask = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Approve what waits for a decision; where no other process has the execution in hand, run it to its end here."""
    _decide("APPROVED", id, comment, inputs, files, task, data, flows, config, server)


def deny(
    id: Id,
    comment: Comment = None,
    inputs: Inputs = None,
    files: Files = None,
    task: OfTask = None,
    data: Data = None,
    flows: Flows = None,
    config: Config = None,
    server: Server = None,
) -> None:
    """Deny what waits for a decision; where no other process has the execution in hand, run it to its end here."""
    _decide("DENIED", id, comment, inputs, files, task, data, flows, config, server)


def _decide(
    decision: str,
    id: str,
    comment: str | None,
    inputs: list[str] | None,
    files: list[str] | None,
    task: str | None,
    data: Data,
    flows: Flows,
    config: Config,
    server: Server,
) -> None:
    from engine.cli.execution_again import go_on
    from engine.cli.run import given_inputs

    given = given_inputs(inputs, files)

    async def ask(target: Client, chosen: ExecutionId) -> None:
        await target.actions.review(chosen, decision, task_run=task, comment=comment, inputs=given)

    raise typer.Exit(run_async(partial(go_on, id, ask, data, config, flows, server)))
