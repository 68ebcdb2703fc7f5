"""Server-sent events, as they come in chunks."""

from __future__ import annotations

import pytest

from plugins.core.http.events import Event, EventStream

STREAM = (
    "\ufeff: hello\n\nid: 1\nevent: tick\ndata: ä\ndata:  b\n\nretry: 250\nretry: x\ndata\n\nid\ndata:c\n\ndata: lost\n"
)
EVENTS = [Event("1", "tick", "ä\n b"), Event("1", "message", ""), Event(None, "message", "c")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_the_same_however_they_are_cut(end: str, size: int) -> None:
    content = STREAM.replace("\n", end).encode()
    stream = EventStream()
    found = [event for at in range(0, len(content), size) for event in stream.feed(content[at : at + size])]
    if end == "\r":
        # Whether the last one ends a line is only known with what follows.
        found += stream.feed(b"")
    assert found == EVENTS
    assert stream.retry == 0.25


def test_what_is_unfinished_when_a_connection_breaks_is_forgotten() -> None:
    stream = EventStream()
    assert stream.feed(b"id: 7\ndata: a\n\nid: 8\ndata: b\n") == [Event("7", "message", "a")]
    stream.begin()
    assert stream.last_id == "7"
    assert stream.feed(b"data: c\n\n") == [Event("7", "message", "c")]


def test_an_id_with_a_null_character_is_left_out() -> None:
    assert EventStream().feed(b"id: a\0b\ndata: 1\n\n") == [Event(None, "message", "1")]
