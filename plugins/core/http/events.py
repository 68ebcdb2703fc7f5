"""Server-sent events: the text of a stream as the events that it holds."""

from __future__ import annotations

import codecs
from typing import NamedTuple


class Event(NamedTuple):
    """One event. id: the last one that the stream gave, which may be that of an earlier event."""

    id: str | None
    event: str
    data: str


class EventStream:
    """Reads `text/event-stream` as it comes.

    last_id: what to resume after
    retry: how long the server wants clients to wait before they resume, in seconds; None if it doesn't say
    """

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry: float | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier connection left unfinished."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._new_id = self.last_id
        self._event = ""
        self._data: list[str] = []

    @property
    def unfinished(self) -> int:
        """How many characters of an event have come that isn't complete."""
        return len(self._rest) + sum(map(len, self._data))

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with a chunk."""
        text = self._rest + self._decoder.decode(chunk)
        # A carriage return at the end may be half of a line end.
        held = text[-1:] if text.endswith("\r") else ""
        lines = text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._new_id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry = int(value[:12]) / 1000
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._new_id
        data, event = self._data, self._event
        self._data, self._event = [], ""
        return Event(self.last_id or None, event or "message", "\n".join(data)) if data else None
