"""What becomes of objects that an execution has: they are deleted or moved, however often that has to be tried.

Each is done to the very version that the execution has. Where an object is moved to is remembered before it is copied:
who finds it there after a crash knows that it is the copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from engine.faults import fault_point
from engine.plugin import Item, ItemState, PollContext, Step, TaskError
from plugins.aws.s3.connection import Client, told
from plugins.aws.s3.fetching import later
from plugins.aws.s3.transfer import copied, file_name

if TYPE_CHECKING:
    from plugins.aws.s3.trigger import Trigger

TOGETHER = 100
AT_ONCE = 8
GONE = (404,)
OTHER = (409, 412)
PENDING = ItemState.ACTION_PENDING


class Done(NamedTuple):
    """An action that is over; `reason`: why nothing was done."""

    reason: str | None = None


class Actions:
    """Does what is pending."""

    def __init__(self, trigger: Trigger, ctx: PollContext, client: Client, scope: int) -> None:
        self._trigger = trigger
        self._ctx = ctx
        self._client = client
        self._scope = scope

    async def run(self) -> None:
        """Do everything that is due; what fails is noted, to be tried again later."""
        now, last = self._ctx.now(), None
        while items := await self._ctx.ledger.due(self._scope, PENDING, now, TOGETHER, last):
            last = items[-1]
            fault_point("s3 action due")
            await self._all(items)
            self._ctx.progress()

    async def _all(self, items: Sequence[Item]) -> None:
        if self._trigger.action == "NONE":
            steps = [Step(it.item, it.serial, PENDING, ItemState.DONE) for it in items]
            await self._ctx.ledger.apply(self._scope, steps, self._ctx.now())
            return
        steps = []
        if self._trigger.action == "MOVE":
            items, failed = await self._aimed(items)
            steps += failed
        room = anyio.Semaphore(AT_ONCE)

        async def act(item: Item) -> None:
            async with room:
                steps.append(await self._step(item, self._delete if self._trigger.action == "DELETE" else self._move))

        async with anyio.create_task_group() as tasks:
            for item in items:
                tasks.start_soon(act, item)
        fault_point("s3 action done")
        await self._ctx.ledger.apply(self._scope, steps, self._ctx.now())
        for step in steps:
            if step.after is PENDING:
                text = f"{self._trigger.action} of s3://{self._trigger.bucket}/{step.item} is tried again later"
                self._ctx.log(f"{text}: {step.values['reason']}", "WARN")

    async def _step(self, item: Item, act: Callable[[Item], Awaitable[Done]]) -> Step:
        try:
            with told(f"s3://{self._trigger.bucket}/{item.item}"):
                done = await act(item)
        except TaskError as error:
            return self._again(item, str(error))
        values = {} if done.reason is None else {"reason": done.reason}
        return Step(item.item, item.serial, PENDING, ItemState.DONE, values)

    def _again(self, item: Item, reason: str) -> Step:
        now = self._ctx.now()
        values = {"reason": reason, "tries": item.tries + 1, "due": later(item.tries, now)}
        return Step(item.item, item.serial, PENDING, PENDING, values)

    async def _delete(self, item: Item) -> Done:
        """Delete a version, as long as it is the latest one."""
        source = {"Bucket": self._trigger.bucket, "Key": item.item}
        facts = await self._facts(source)
        if facts is None:
            return Done("it was gone")
        if not _is(item, facts):
            return Done("a newer version is there")
        # The store looks once more, if it knows how to.
        answer = await self._asked(self._client.delete_object, {**source, **self._trigger.more(IfMatch=item.etag)})
        if answer is None:
            return Done("a newer version is there")
        fault_point("s3 deleted")
        return Done()

    async def _move(self, item: Item) -> Done:
        """Copy a version to its target, then delete it."""
        assert item.target is not None
        source = {"Bucket": self._trigger.bucket, "Key": item.item}
        target = self._place(item.target)
        there = await self._facts(target)
        if there is None or not _copy_of(item, there):
            facts = await self._facts({**source, **_version(item)})
            if facts is None or not _is(item, facts):
                return Done("it was gone" if facts is None else "a newer version is there")
            await copied(self._client, {**source, **_version(item)}, facts, {**target, **self._trigger.more()})
            fault_point("s3 copied")
            there = await self._facts(target)
            if there is None or there["ContentLength"] != item.size:
                raise TaskError(f"the copy s3://{target['Bucket']}/{target['Key']} is not whole")
        return await self._delete(item)

    async def _aimed(self, items: Sequence[Item]) -> tuple[list[Item], list[Step]]:
        """Items with their targets, which are remembered now, and steps of those that can't have one."""
        found: list[Item] = []
        new: list[Step] = []
        failed: list[Step] = []
        taken = {it.target for it in items if it.target is not None}
        for item in items:
            try:
                with told(f"s3://{self._trigger.bucket}/{item.item}"):
                    target = item.target or await self._target(item, taken)
            except TaskError as error:
                failed.append(self._again(item, str(error)))
                continue
            if item.target is None:
                values = {"target": target, "tries": item.tries, "due": item.due}
                new.append(Step(item.item, item.serial, PENDING, PENDING, values))
            taken.add(target)
            found.append(item._replace(target=target))
        await self._ctx.ledger.apply(self._scope, new, self._ctx.now())
        fault_point("s3 aimed")
        return found, failed

    async def _target(self, item: Item, taken: set[str]) -> str:
        """Where an object goes: BUCKET/KEY. Raises TaskError where something lies there."""
        to = self._trigger.move_to
        assert to is not None
        flat = self._ctx.trigger.dialect == 1
        policy = self._trigger.on_conflict or ("SUFFIX" if flat else "FAIL")
        below = item.item.removeprefix(self._trigger.prefix or "").lstrip("/") or file_name(item.item)
        name = item.item.rpartition("/")[2] if flat else below
        bucket, folder = to.bucket or self._trigger.bucket, (to.key or "").rstrip("/")
        path, number = PurePosixPath(name), 1
        candidate = name
        while True:
            target = f"{bucket}/{folder}/{candidate}" if folder else f"{bucket}/{candidate}"
            free = target not in taken and await self._facts(self._place(target)) is None
            if free or (policy == "OVERWRITE" and target not in taken):
                return target
            if policy == "FAIL":
                raise TaskError(f"something else is s3://{target} already; set onConflict to SUFFIX or OVERWRITE")
            number += 1
            candidate = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))

    def _place(self, target: str) -> dict[str, str]:
        bucket, _, key = target.partition("/")
        return {"Bucket": bucket, "Key": key}

    async def _facts(self, place: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the store says of an object, None where there is none."""
        return await self._asked(self._client.head_object, {**place, **self._trigger.more()})

    async def _asked(
        self, ask: Callable[..., Awaitable[Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The answer of the store, None where the object is not there, or not as it was."""
        from botocore.exceptions import ClientError

        try:
            return await ask(**options)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in GONE or (status in OTHER and "IfMatch" in options):
                return None
            raise


def _version(item: Item) -> dict[str, str]:
    return {} if item.version is None else {"VersionId": item.version}


def _is(item: Item, facts: Mapping[str, Any]) -> bool:
    """Whether the store speaks of the version that the execution has."""
    same = facts["ETag"].strip('"') == item.etag and facts["ContentLength"] == item.size
    return same and (item.version is None or facts.get("VersionId", item.version) == item.version)


def _copy_of(item: Item, facts: Mapping[str, Any]) -> bool:
    """Whether an object at the target is what was copied before a crash; parts give it another ETag."""
    etag = facts["ETag"].strip('"')
    return facts["ContentLength"] == item.size and (etag == item.etag or "-" in etag or "-" in item.etag)
