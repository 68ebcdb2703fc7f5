"""Lists of flows: those that a condition selects, what their authors wrote, and where a text is in them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import anyio.to_thread
import regex as expressions

from engine.definition.document import read_yaml
from engine.errors import LimitError
from engine.store.conditions import Node
from engine.store.matching import holds
from engine.store.protocols import FlowStore
from engine.store.rows import StoredFlow

KEPT = 5000
SEARCH_SECONDS = 2.0
MOST_PLACES = 100
SNIPPET = 200


class Place(NamedTuple):
    """Where a text is found: 1-based, with its line, shortened around it, and where it begins and ends in that."""

    line: int
    column: int
    snippet: str
    start: int
    end: int


class Pattern(NamedTuple):
    """A text that is looked for in the sources of flows."""

    text: str
    case_sensitive: bool = False
    whole_word: bool = False
    regex: bool = False

    def compiled(self) -> expressions.Pattern[str]:
        """Raises ValueError for what is no pattern."""
        flags = 0 if self.case_sensitive else expressions.IGNORECASE
        text = self.text if self.regex else expressions.escape(self.text)
        try:
            return expressions.compile(rf"\b(?:{text})\b" if self.whole_word else text, flags)
        except expressions.error as error:
            raise ValueError(f"'{self.text}' is not a pattern: {error}") from None


class FlowList:
    """The flows that are not deleted. What their authors wrote is read once and kept, the last used ones."""

    def __init__(self, flows: FlowStore) -> None:
        self._flows = flows
        self._documents: OrderedDict[tuple[str, str, int], Mapping[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    async def find(self, where: Node | None) -> Sequence[StoredFlow]:
        """The flows that a condition selects, by namespace and id.

        Its fields are namespace, id, labels and words (those of both names).
        """
        found = await self._flows.list()
        if where is None:
            return found
        return await anyio.to_thread.run_sync(self._chosen, found, where)

    async def namespaces(self) -> list[str]:
        """The namespaces that have flows, sorted."""
        return sorted({flow.namespace for flow in await self._flows.list()})

    async def documents(self, flows: Sequence[StoredFlow]) -> list[Mapping[str, Any]]:
        """What the authors of flows wrote, as values."""
        return await anyio.to_thread.run_sync(lambda: [self._document(flow) for flow in flows])

    async def search(self, flows: Sequence[StoredFlow], pattern: Pattern) -> list[tuple[StoredFlow, list[Place]]]:
        """Where a text is in flows; those without it are left out. Raises ValueError, LimitError."""
        compiled = pattern.compiled()
        return await anyio.to_thread.run_sync(_search, flows, compiled)

    def _chosen(self, flows: Sequence[StoredFlow], where: Node) -> list[StoredFlow]:
        return [flow for flow in flows if holds(where, _Values(flow, self._document))]

    def _document(self, flow: StoredFlow) -> Mapping[str, Any]:
        key = (flow.namespace, flow.id, flow.revision)
        with self._lock:
            known = self._documents.get(key)
            if known is not None:
                self._documents.move_to_end(key)
                return known
        document = document_of(flow.source)
        with self._lock:
            self._documents[key] = document
            while len(self._documents) > KEPT:
                self._documents.popitem(last=False)
        return document


def document_of(source: str) -> dict[str, Any]:
    """What the author of a flow wrote, as values; labels of either form as a list of keys and values."""
    read = read_yaml(source)
    if not isinstance(read.value, dict):
        return {}
    labels = read.value.get("labels")
    if isinstance(labels, dict):
        pairs: list[tuple[Any, Any]] = [(key, read.texts.get(("labels", key), value)) for key, value in labels.items()]
    else:
        items = enumerate(labels if isinstance(labels, list) else ())
        pairs = [
            (item.get("key"), read.texts.get(("labels", place, "value"), item.get("value")))
            for place, item in items
            if isinstance(item, dict)
        ]
    return {**read.value, "labels": [{"key": str(key), "value": str(value)} for key, value in pairs]}


class _Values(Mapping[str, Any]):
    """The values of a flow's fields; its text is read only for those that need it."""

    FIELDS = ("namespace", "id", "words", "labels")

    def __init__(self, flow: StoredFlow, document: Any) -> None:
        self._flow = flow
        self._document = document

    def __getitem__(self, name: str) -> Any:
        match name:
            case "namespace":
                return self._flow.namespace
            case "id":
                return self._flow.id
            case "words":
                return (self._flow.namespace, self._flow.id)
            case "labels":
                return {pair["key"]: pair["value"] for pair in self._document(self._flow).get("labels", ())}
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.FIELDS)

    def __len__(self) -> int:
        return len(self.FIELDS)


def _search(flows: Sequence[StoredFlow], pattern: expressions.Pattern[str]) -> list[tuple[StoredFlow, list[Place]]]:
    return [(flow, places) for flow in flows if (places := _places(flow.source, pattern))]


def _places(source: str, pattern: expressions.Pattern[str]) -> list[Place]:
    places = []
    try:
        for match in pattern.finditer(source, timeout=SEARCH_SECONDS):
            if match.end() == match.start():
                continue
            first = source.rfind("\n", 0, match.start()) + 1
            last = source.find("\n", match.start())
            last = len(source) if last < 0 else last
            start = max(first, match.start() - SNIPPET // 2)
            end = min(last, start + SNIPPET)
            places.append(
                Place(
                    line=source.count("\n", 0, first) + 1,
                    column=match.start() - first + 1,
                    snippet=source[start:end],
                    start=match.start() - start,
                    end=min(match.end(), end) - start,
                )
            )
            if len(places) == MOST_PLACES:
                break
    except TimeoutError:
        raise LimitError(f"The pattern '{pattern.pattern[:100]}' takes too long") from None
    return places
