"""Commands on one execution or many: which ones are meant, and what came of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from engine.cli.resolve import moment, resolve, status
from engine.cli.session import run_async
from engine.cli.target import client
from engine.errors import Refused
from engine.state.execution import ExecutionKind, Label

if TYPE_CHECKING:
    from engine.cli.port import BulkPort, ExecutionsPort
    from engine.runtime.actions.bulk import Outcome, Which
    from engine.store.rows import ExecutionFilter

SHOWN_REFUSED = 20

Ids = Annotated[list[str] | None, typer.Argument(help="Execution ids or their beginnings, or `last`.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Those of this namespace.")]
Flow = Annotated[str | None, typer.Option("--flow", help="Those of this flow.")]
States = Annotated[list[str] | None, typer.Option("--state", help="Those in these states (repeat).")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Those with this label: key=value (repeat).")]
Since = Annotated[str | None, typer.Option("--since", help="Those created at this time or later.")]
Until = Annotated[str | None, typer.Option("--until", help="Those created before this time.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it to all that the options select.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show to which it would be done; do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Choice(NamedTuple):
    """Which executions a command is for: those named, or all that options select."""

    ids: Sequence[str] | None = None
    namespace: str | None = None
    flow: str | None = None
    states: Sequence[str] | None = None
    labels: Sequence[str] | None = None
    since: str | None = None
    until: str | None = None
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    @property
    def single(self) -> str | None:
        """The one execution that is named, to be followed live; None where many may be meant."""
        alone = self.ids is not None and len(self.ids) == 1 and not self.filters
        return self.ids[0] if self.ids and alone and not (self.dry_run or self.as_json) else None

    @property
    def filters(self) -> bool:
        return any((self.namespace, self.flow, self.states, self.labels, self.since, self.until))

    async def which(self, executions: ExecutionsPort) -> Which:
        """Ids or a filter. Raises NotFound, Refused where it isn't clear what is meant."""
        if self.ids and self.filters:
            raise Refused("Name executions or select them by options, not both")
        if self.ids:
            return [await resolve(executions, id) for id in self.ids]
        if not self.filters:
            raise Refused("Which executions? Name some, or select them: --namespace, --flow, --state, --label, --since")
        return selected(self.namespace, self.flow, self.states, self.labels, self.since, self.until)


OPTIONS: dict[str, Any] = {
    "ids": Ids,
    "namespace": Namespace,
    "flow": Flow,
    "states": States,
    "labels": Labels,
    "since": Since,
    "until": Until,
    "yes": Yes,
    "dry_run": DryRun,
    "as_json": AsJson,
}


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a Choice, the arguments and options that make one."""

    @wraps(command)
    def whole(**given: Any) -> None:
        choice = Choice(**{name: given.pop(name) for name in OPTIONS})
        command(choice, **given)

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(command).parameters.values())[1:]
    ]
    chosen = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=Choice._field_defaults[name], annotation=annotation
        )
        for name, annotation in OPTIONS.items()
    ]
    parameters = [chosen[0], *own, *chosen[1:]]
    whole.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    whole.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del whole.__wrapped__
    return whole


def selected(
    namespace: str | None = None,
    flow: str | None = None,
    states: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
) -> ExecutionFilter:
    """The filter that options stand for. Raises Refused."""
    from engine.store.rows import ExecutionFilter

    return ExecutionFilter(
        namespace=namespace,
        flow=flow,
        states=tuple(status(state) for state in states or ()),
        labels=tuple(Label(*pair) for pair in pairs(labels, "--label").items()),
        since=moment(since, "--since"),
        until=moment(until, "--until"),
    )


def kinds_of(texts: Sequence[str] | None) -> tuple[ExecutionKind, ...]:
    """Kinds of executions, by default the normal ones. Raises Refused."""
    try:
        return tuple(ExecutionKind(text.upper()) for text in texts or ("NORMAL",))
    except ValueError:
        raise Refused(f"--kind: a kind is one of {', '.join(ExecutionKind)}") from None


def pairs(texts: Sequence[str] | None, option: str, form: str = "key=value") -> dict[str, str]:
    """`key=value` texts as a map; `form` is what a mistake is told to be like. Raises Refused."""
    found = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise Refused(f"{option} takes {form}, not '{text}'")
        found[key] = value
    return found


def do_to_many(
    choice: Choice,
    done: str,
    act: Callable[[BulkPort, Which], Awaitable[Outcome]],
    data: Path | None,
    config: Path | None,
    flows: Path | None = None,
    server: str | None = None,
) -> int:
    """Do something to all that are chosen and tell what came of it; the exit code is 1 where some were left out.

    done: the participle that says what was done
    What goes on in this process is run to its end.
    """

    async def work() -> int:
        async with client(data, config, server, flows) as target:
            which = await choice.which(target.executions)
            if not (isinstance(which, list) or choice.yes or choice.dry_run):
                would = await act(target.bulk.trial(), which)
                count = counted(len(would.done))
                raise Refused(f"{count} would be {done}: say --yes to do it, --dry-run to see which")
            outcome = await act(target.bulk.trial() if choice.dry_run else target.bulk, which)
            tell(choice, done, outcome)
            if not choice.dry_run:
                await target.executions.finish([*outcome.done, *outcome.started])
            return 1 if outcome.refused else 0

    return run_async(work)


def counted(count: int) -> str:
    """`1 execution`, `5 executions`, `no execution`."""
    return f"{count or 'no'} execution{'s' * (count > 1)}"


def tell(choice: Choice, done: str, outcome: Outcome) -> None:
    """Print what came of it."""
    from engine.cli import look

    console = look.stdout()
    if choice.as_json:
        found = {"count": len(outcome.done), "done": outcome.done, "started": outcome.started}
        console.print(look.as_json({**found, "refused": outcome.refused, "dryRun": choice.dry_run}), markup=False)
        return
    if choice.dry_run:
        for id in outcome.done:
            console.print(id)
    console.print(f"{counted(len(outcome.done))} {'would be ' if choice.dry_run else ''}{done}")
    for id, why in list(outcome.refused.items())[:SHOWN_REFUSED]:
        console.print(f"{id} left as it is: {why}", markup=False)
    if len(outcome.refused) > SHOWN_REFUSED:
        console.print(f"… and {len(outcome.refused) - SHOWN_REFUSED} more left as they are")
