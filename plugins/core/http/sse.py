"""The task that reads server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, TaskError
from plugins.core.http.call import Call, Options, answered
from plugins.core.http.calling import Called
from plugins.core.http.events import Event, EventStream

KIND = "text/event-stream"
RESUMES = 5
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
JQ = "{{ data | jq(program) }}"


class Received(BaseModel):
    """What SseRequest gives."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)

    uri: str = Field(description="Address that answered, after redirects.")
    events: list[dict[str, Any]] = Field(description="The events, each with `id`, `event` and its `data` as text.")
    size: int = Field(description="How many events came.")
    result: str | None = Field(default=None, description="What `concatJqExpression` found, joined.")


class SseRequest(Called):
    """Read server-sent events (`text/event-stream`) until the server ends them, or `maxEvents` came.

    A connection that breaks is resumed after the last event that had an id (`Last-Event-ID`), when the server's `retry`
    has passed. How long to wait for the next event is `options.timeout.readIdleTimeout`, for all `timeout`.
    """

    concat_jq_expression: str | None = Field(
        default=None, description="jq program on the data of each event, which is JSON then; its results are joined."
    )
    failed_on_missing_jq: bool = Field(
        default=True, description="Whether an event in which the program finds nothing fails the task."
    )
    max_events: int | None = Field(default=None, ge=1, description="Stop after this many; by default at the end.")

    async def run(self, ctx: Context) -> Received:
        reading = _Reading(ctx, self.call(), (self.options or Options()).max_content_length)
        events: list[Event] = []
        found: list[str] = []
        async for event in reading.events():
            events.append(event)
            if self.concat_jq_expression is not None:
                found += await self._found(ctx, self.concat_jq_expression, event)
            if len(events) == self.max_events:
                break
        self.measure(ctx, reading.length, reading.status)
        return Received(
            uri=reading.uri,
            events=[event._asdict() for event in events],
            size=len(events),
            result=None if self.concat_jq_expression is None else "".join(found),
        )

    async def _found(self, ctx: Context, program: str, event: Event) -> list[str]:
        try:
            results = msgspec.json.decode(event.data)
        except msgspec.DecodeError:
            results = []
        else:
            results = await ctx.render(JQ, typed=True, data=results, program=program)
        texts = [it if isinstance(it, str) else msgspec.json.encode(it).decode() for it in results if it is not None]
        if not texts and self.failed_on_missing_jq:
            raise TaskError(
                f"concatJqExpression: '{program}' finds nothing in the event '{event.data[:200]}'; "
                "`failedOnMissingJq: false` leaves such events out"
            )
        return texts


class _Reading:
    """A stream through all the connections that it takes, and what is known of it so far."""

    def __init__(self, ctx: Context, call: Call, limit: int | None) -> None:
        self._ctx = ctx
        self._call = call
        self._limit = limit or ctx.settings.http.body_bytes
        self._stream = EventStream()
        self.uri = call.uri
        self.status = 0
        self.length = 0

    async def events(self) -> AsyncIterator[Event]:
        resumed = 0
        while True:
            before = self._stream.last_id
            broken = ""
            async for event in self._connection():
                if isinstance(event, _Broken):
                    broken = event.reason
                else:
                    yield event
            if not broken:
                return
            resumed = resumed + 1 if self._stream.last_id == before else 1
            if self._stream.last_id is None:
                raise TaskError(f"{self._call.named} broke off: {broken}; its events have no ids to resume after")
            if resumed > RESUMES:
                raise TaskError(f"{self._call.named} broke off {resumed} times without a new event: {broken}")
            self._ctx.log(f"The connection broke off, it is resumed after the event '{self._stream.last_id}'", "WARN")
            await anyio.sleep(min(self._stream.retry or RETRY_SECONDS, LONGEST_RETRY_SECONDS))

    async def _connection(self) -> AsyncIterator[Event | _Broken]:
        """The events of one connection; the last one says when it broke."""
        import aiohttp

        self._stream.begin()
        headers = {"Accept": KIND, "Cache-Control": "no-store", **self._call.headers}
        if self._stream.last_id:
            headers["Last-Event-ID"] = self._stream.last_id
        async with answered(self._ctx, self._call._replace(headers=headers)) as response:
            self.uri, self.status = str(response.url), response.status
            if response.status == 204:
                return
            if response.content_type != KIND:
                raise TaskError(f"{self._call.named} answers with {response.content_type}, not with {KIND}")
            try:
                async for chunk in response.content.iter_any():
                    self._count(chunk)
                    for event in self._stream.feed(chunk):
                        yield event
            except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
                yield _Broken(str(error) or type(error).__name__)

    def _count(self, chunk: bytes) -> None:
        self.length += len(chunk)
        if self.length > self._limit:
            raise TaskError(
                f"The events are larger than {self._limit} bytes: set maxEvents, or allow more with "
                "options.maxContentLength"
            )


class _Broken:
    """Stands after the last event of a connection that broke."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
