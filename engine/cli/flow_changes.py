"""What it takes to make the stored flows those of a folder: the plan, its looks, and doing it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from engine.cli.port import FlowsPort
from engine.errors import InvalidFlow, NotFound, Refused


class Action(StrEnum):
    """What becomes of a flow."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    UNCHANGED = "unchanged"


SIGNS = {Action.CREATE: "[green]+", Action.CHANGE: "[yellow]~", Action.DELETE: "[red]-"}


class Source(NamedTuple):
    """A flow as a file has it."""

    namespace: str
    id: str
    text: str
    file: str

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.id}"


class Planned(NamedTuple):
    """What becomes of one flow.

    revision: the stored one, 0 where there is none
    before, after: the stored source and the new one; empty where there is none
    """

    action: Action
    namespace: str
    id: str
    revision: int
    before: str
    after: str
    file: str = ""

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.id}"


async def read_sources(flows: FlowsPort, paths: Iterable[Path]) -> list[Source]:
    """The flows of files and folders of them, each once. Raises InvalidFlow with the mistakes of all of them."""
    from engine.definition.check_path import flow_files, read_flow

    mistakes: list[Any] = []
    found: dict[tuple[str, str], Source] = {}
    for file in [file for path in paths for file in (flow_files(path) if path.is_dir() else [path])]:
        try:
            text = read_flow(file)
            name = await flows.check(text, str(file))
        except InvalidFlow as error:
            mistakes.extend(error.diagnostics)
            continue
        if name in found:
            mistakes.append(_twice(found[name], file))
        found[name] = Source(*name, text, str(file))
    if mistakes:
        raise InvalidFlow(mistakes)
    return list(found.values())


def _twice(first: Source, file: Path) -> Any:
    from engine.definition.diagnostic import Diagnostic

    message = f"id: the flow {first.name} is in {first.file} already; give one of them another id"
    return Diagnostic(message, 1, 1, "duplicate-id", ("id",), file=str(file))


async def planned(flows: FlowsPort, sources: Sequence[Source], pruned: Iterable[str] = ()) -> list[Planned]:
    """What it takes to store these sources, and to delete the other flows of the namespaces `pruned`."""
    plan = [await _planned(flows, source) for source in sources]
    kept = {(source.namespace, source.id) for source in sources}
    for namespace in sorted(set(pruned)):
        heads = [head for head in await flows.list(namespace) if (head.namespace, head.id) not in kept]
        plan += [await deletion(flows, head.namespace, head.id) for head in heads]
    return plan


async def _planned(flows: FlowsPort, source: Source) -> Planned:
    try:
        stored = await flows.get(source.namespace, source.id)
    except NotFound:
        return Planned(Action.CREATE, source.namespace, source.id, 0, "", source.text, source.file)
    action = Action.UNCHANGED if stored.source == source.text else Action.CHANGE
    return Planned(action, source.namespace, source.id, stored.revision, stored.source, source.text, source.file)


async def deletion(flows: FlowsPort, namespace: str, id: str) -> Planned:
    """The plan to delete one flow. Raises NotFound."""
    stored = await flows.get(namespace, id)
    return Planned(Action.DELETE, namespace, id, stored.revision, stored.source, "")


async def carry_out(flows: FlowsPort, plan: Sequence[Planned]) -> list[Planned]:
    """Do what is planned; returns it with the revisions that there are now. Doing it again changes nothing."""
    done = []
    for one in plan:
        if one.action is Action.DELETE:
            await flows.delete(one.namespace, one.id)
        elif one.action is not Action.UNCHANGED:
            one = one._replace(revision=(await flows.save(one.after, one.file)).revision)
        done.append(one)
    return done


def differs(plan: Sequence[Planned]) -> bool:
    return any(one.action is not Action.UNCHANGED for one in plan)


def lines(plan: Sequence[Planned]) -> list[str]:
    """The plan in lines of markup, what stays as it is in one."""
    told = [f"{SIGNS[one.action]} {one.action:<6} {one.name}[/]" for one in plan if one.action in SIGNS]
    counts = [sum(one.action is action for one in plan) for action in Action]
    words = ("to create", "to change", "to delete", "unchanged")
    return [*told, ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))]


def unified(one: Planned) -> str:
    """The difference between the stored source and the new one, as `diff -u` shows it; empty where there is none."""
    before = f"{one.name} (revision {one.revision})" if one.revision else "/dev/null"
    after = one.file or "/dev/null"
    found = difflib.unified_diff(_lines(one.before), _lines(one.after), before, after)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def shapes(plan: Sequence[Planned]) -> list[dict[str, Any]]:
    """The plan for programs."""
    return [
        {"action": one.action.value, "namespace": one.namespace, "id": one.id, "revision": one.revision}
        | ({"file": one.file} if one.file else {})
        for one in plan
    ]


def flow_name(text: str) -> tuple[str, str]:
    """Namespace and id of `namespace.id`. Raises Refused."""
    namespace, dot, id = text.rpartition(".")
    if not (namespace and dot and id):
        raise Refused(f"A flow is named as NAMESPACE.ID, or by its file or folder; there is no '{text}'")
    return namespace, id
