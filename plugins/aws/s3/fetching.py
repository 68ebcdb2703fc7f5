"""Objects of a batch become files of the execution that it will start."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from engine.faults import fault_point
from engine.plugin import Item, ItemState, PollContext, Step, TaskError
from plugins.aws.s3.connection import Client, reason_of, told
from plugins.aws.s3.pages import EPOCH
from plugins.aws.s3.transfer import file_name, opened

if TYPE_CHECKING:
    from plugins.aws.s3.trigger import Trigger

AT_ONCE = 8
# What is as large is remembered at once, not with its batch: nobody wants to fetch it twice.
LARGE = 8 * 1024 * 1024
# An object that can't be had is tried again later, twice as late each time.
FIRST_RETRY, LAST_RETRY = 60_000, 6 * 3_600_000
CHANGED = (404, 412)


async def fetched(
    trigger: Trigger, ctx: PollContext, client: Client, scope: int, batch: str, items: Sequence[Item]
) -> None:
    """Fetch objects; each is READY or FAILED then, whatever becomes of the others."""
    steps: list[Step] = []
    room = anyio.Semaphore(AT_ONCE)

    async def fetch(item: Item) -> None:
        async with room:
            step = await _step(trigger, ctx, client, batch, item)
        fault_point("s3 downloaded")
        if item.size >= LARGE:
            await ctx.ledger.apply(scope, [step], ctx.now())
        else:
            steps.append(step)

    async with anyio.create_task_group() as tasks:
        for item in items:
            tasks.start_soon(fetch, item)
    await ctx.ledger.apply(scope, steps, ctx.now())
    for step in steps:
        if step.after is ItemState.FAILED:
            ctx.log(f"s3://{trigger.bucket}/{step.item} is tried again later: {step.values['reason']}", "WARN")


async def _step(trigger: Trigger, ctx: PollContext, client: Client, batch: str, item: Item) -> Step:
    if trigger.fetch == "NONE":
        return Step(item.item, item.serial, ItemState.FETCHING, ItemState.READY)
    from botocore.exceptions import ClientError

    try:
        with told(f"s3://{trigger.bucket}/{item.item}"):
            try:
                values = await _stored(trigger, ctx, client, batch, item)
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if status in CHANGED:
                    # The next listing shows what there is instead.
                    return _failed(item, "it changed or went while it was fetched", ctx.now() + 1)
                return _failed(item, ": ".join(reason_of(error)), later(item.tries, ctx.now()))
    except TaskError as error:
        return _failed(item, str(error), later(item.tries, ctx.now()))
    return Step(item.item, item.serial, ItemState.FETCHING, ItemState.READY, values)


def _failed(item: Item, reason: str, due: int) -> Step:
    values = {"reason": reason, "tries": item.tries + 1, "due": due}
    return Step(item.item, item.serial, ItemState.FETCHING, ItemState.FAILED, values)


def later(tries: int, now: int) -> int:
    """When to try again what failed so often before."""
    return now + min(LAST_RETRY, FIRST_RETRY << min(tries, 16))


async def _stored(trigger: Trigger, ctx: PollContext, client: Client, batch: str, item: Item) -> dict[str, Any]:
    """Store the very version that was listed. Raises TaskError where the store gives another size."""
    pinned = {"VersionId": item.version} if item.version is not None else {"IfMatch": item.etag}
    options = trigger.more(ExpectedBucketOwner=trigger.expected_bucket_owner, **pinned)
    content = await opened(client, {"Bucket": trigger.bucket, "Key": item.item, **options})
    digest, size = hashlib.sha256(), 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal size
        async for chunk in content.chunks:
            await anyio.to_thread.run_sync(digest.update, chunk)
            size += len(chunk)
            ctx.progress()
            yield chunk

    # Ends of keys may be the same.
    apart = hashlib.sha256(item.item.encode()).hexdigest()[:12]
    uri = await ctx.keep(batch, f"{apart}/{file_name(item.item)}", watched())
    if size != item.size:
        raise TaskError(f"it has {size} bytes and was listed with {item.size}")
    values = {"uri": uri, "sha256": digest.hexdigest(), "version": content.facts.get("VersionId")}
    return {name: value for name, value in values.items() if value is not None}


def shown(item: Item, bucket: str) -> dict[str, Any]:
    """An object as expressions see it."""
    values = {
        "uri": item.uri or f"s3://{bucket}/{item.item}",
        "bucket": bucket,
        "key": item.item,
        "etag": item.etag,
        "versionId": item.version,
        "size": item.size,
        "lastModified": None if item.modified is None else _iso(EPOCH + timedelta(milliseconds=item.modified)),
        "sha256": item.sha256,
        "changeType": item.change,
        "previousEtag": item.previous,
    }
    return {name: value for name, value in values.items() if value is not None}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
