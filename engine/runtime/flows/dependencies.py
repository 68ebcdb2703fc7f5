"""Which flows start which, by their tasks and their triggers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import anyio.to_thread

from engine.definition.links import Name, called_flows, waits_for
from engine.plugin.index import Index
from engine.runtime.flows.flow_list import FlowList
from engine.store.rows import StoredFlow


class Link(NamedTuple):
    """One flow, as (namespace, id), starts another: FLOW_TASK, by a task, or FLOW_TRIGGER, by a trigger of that one."""

    source: Name
    target: Name
    relation: str


class Dependencies:
    """The links between flows."""

    def __init__(self, flows: FlowList, index: Index) -> None:
        self._flows = flows
        self._index = index

    async def among(self, flows: Sequence[StoredFlow]) -> list[Link]:
        """All links between these flows, without those of a flow to itself."""
        documents = await self._flows.documents(flows)
        named = {(flow.namespace, flow.id): document for flow, document in zip(flows, documents, strict=True)}
        return await anyio.to_thread.run_sync(_links, named, self._index)


def reached(links: Iterable[Link], start: Collection[Name], *, onwards: bool, all: bool) -> list[Link]:
    """The links that begin or end at some flows.

    onwards: only those that begin there; all: and those that the flows at their other ends have, and so on
    """
    links = list(links)
    found: dict[Link, None] = {}
    seen = set(start)
    ahead = set(start)
    while ahead:
        near = [link for link in links if link.source in ahead or (not onwards and link.target in ahead)]
        found.update(dict.fromkeys(near))
        ahead = {name for link in near for name in (link.source, link.target)} - seen if all else set()
        seen |= ahead
    return list(found)


def _links(flows: Mapping[Name, Mapping[str, Any]], index: Index) -> list[Link]:
    links = []
    for name, document in flows.items():
        called = dict.fromkeys(called_flows(document, index))
        links += [Link(name, other, "FLOW_TASK") for other in called if other in flows and other != name]
        if document.get("triggers"):
            waited = [other for other in flows if other != name and waits_for(document, other, index)]
            links += [Link(other, name, "FLOW_TRIGGER") for other in waited]
    return links
