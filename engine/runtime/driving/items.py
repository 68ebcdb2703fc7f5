"""What a Loop or a ForEachItem goes through: values, a map, or the lines of a file in internal storage.

A description is stored with the execution: `total`, and either `values` (texts, with `keys` for a map) or the `file`
with `offsets`, where its lines number 0, `every`, 2 * `every` … begin. Lines are read when their turn comes.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from engine.errors import ExpressionError, NotFound, StorageError
from engine.executor.lanes import text_of
from engine.expressions import ion
from engine.files.addresses import SCHEME
from engine.runtime.rendering.sources import Sources
from engine.state.execution import Item

OFFSETS_AT_MOST = 2000
LINES_AT_FIRST = 256
LONGEST_LINE = 16 * 1024 * 1024
CHUNKS = 64

_decode = msgspec.json.Decoder().decode

Description = Mapping[str, Any]


def is_file(rendered: Any) -> bool:
    """Whether what was rendered names a file of internal storage."""
    return isinstance(rendered, str) and rendered.strip().startswith(f"{SCHEME}/")


def described(rendered: Any) -> dict[str, Any]:
    """The description of a list, a map or a JSON text of one. Raises ExpressionError."""
    if isinstance(rendered, str):
        try:
            rendered = json.loads(rendered)
        except ValueError:
            raise ExpressionError(
                f"The values of a loop must be a list, a map or the URI of a file, but are: {rendered[:200]}"
            ) from None
    if isinstance(rendered, Mapping):
        values = [text_of(value) for value in rendered.values()]
        return {"total": len(values), "values": values, "keys": [str(key) for key in rendered]}
    if not isinstance(rendered, list):
        raise ExpressionError(
            f"The values of a loop must be a list or a map, but are of type {type(rendered).__name__}"
        )
    values = [text_of(value) for value in rendered]
    return {"total": len(values), "values": values}


class Items:
    """Describes files of lines, and reads them by index."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._chunks: OrderedDict[tuple[str, int], list[bytes]] = OrderedDict()

    async def describe(self, uri: str, namespace: str) -> dict[str, Any]:
        """The description of a file. Raises ExpressionError for one that can't be read."""
        every, offsets, total = LINES_AT_FIRST, [], 0
        try:
            async for begin, _ in self._lines(uri, namespace):
                if total % every == 0:
                    offsets.append(begin)
                    if len(offsets) > OFFSETS_AT_MOST:
                        offsets, every = offsets[::2], every * 2
                total += 1
        except (NotFound, StorageError) as error:
            raise ExpressionError(f"Unable to read the items of '{uri}': {error}") from None
        return {"total": total, "file": uri, "every": every, "offsets": offsets}

    def at_once(self, description: Description, index: int) -> Item | None:
        """An item that is in memory."""
        values = description.get("values")
        if values is not None:
            keys = description.get("keys")
            return Item(values[index], index, None if keys is None else keys[index])
        every = description["every"]
        lines = self._chunks.get((description["file"], index // every))
        return None if lines is None else Item(_text(lines[index % every]), index)

    async def get(self, description: Description, namespace: str, index: int) -> Item:
        """An item. Raises NotFound, StorageError."""
        found = self.at_once(description, index)
        if found is not None:
            return found
        every = description["every"]
        chunk = index // every
        lines = []
        async for _, line in self._lines(description["file"], namespace, description["offsets"][chunk]):
            lines.append(line)
            if len(lines) == every:
                break
        self._chunks[description["file"], chunk] = lines
        while len(self._chunks) > CHUNKS:
            self._chunks.popitem(last=False)
        if index % every >= len(lines):
            raise StorageError(f"The file '{description['file']}' has become shorter: line {index + 1} is gone")
        return Item(_text(lines[index % every]), index)

    async def _lines(self, uri: str, namespace: str, start: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        """Where each line begins and what it holds, without empty ones."""
        rest = b""
        async for chunk in self._sources.read(uri, namespace, start):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield start, line
                start += len(line) + 1
            if len(rest) > LONGEST_LINE:
                raise StorageError(f"The file '{uri}' has a line of more than {LONGEST_LINE} bytes")
        if rest.strip():
            yield start, rest


def _text(line: bytes) -> str:
    """The value of a line: the text of a JSON or Ion string, a JSON value as it stands, other Ion as JSON."""
    text = line.decode("utf-8", "replace").strip("\r")
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if text[:1] not in "{[\"'":
            return text
        try:
            return text_of(ion.loads(text))
        except (ion.IonError, TypeError):
            return text
    return value if isinstance(value, str) else text
