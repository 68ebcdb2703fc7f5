"""One look at a bucket: what is new is recorded, fetched in batches, given to executions, then moved or deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from engine.errors import Conflict
from engine.faults import fault_point
from engine.plugin import (
    Change,
    Comparing,
    Consumed,
    Difference,
    Item,
    ItemState,
    Page,
    PollContext,
    Scope,
    Status,
    Step,
    TaskError,
)
from plugins.aws.s3.actions import Actions
from plugins.aws.s3.connection import Client
from plugins.aws.s3.fetching import fetched, shown
from plugins.aws.s3.pages import pages

if TYPE_CHECKING:
    from plugins.aws.s3.trigger import Trigger

UNSEEN = (ItemState.NEW, ItemState.FETCHING, ItemState.FAILED)
GOOD = (Status.SUCCESS, Status.WARNING)


class Disorder(Exception):
    """A listing is not in the order of UTF-8."""


class Watch:
    """One poll of a trigger on S3."""

    def __init__(self, trigger: Trigger, ctx: PollContext, client: Client) -> None:
        self._trigger = trigger
        self._ctx = ctx
        self._client = client
        self._began = ctx.now()
        self._uid = "/".join((ctx.trigger.namespace, ctx.trigger.flow, ctx.trigger.id))

    async def run(self) -> int | None:
        """Look once; returns when to look again if that is soon."""
        scope = await scope_of(self._trigger, self._ctx)
        await self._follow_ends(scope)
        actions = Actions(self._trigger, self._ctx, self._client, scope.id)
        await actions.run()
        trouble: TaskError | None = None
        try:
            await self._list(scope)
        except TaskError as error:
            # What was found before goes on all the same.
            trouble = error
        await self._work(scope, actions)
        await actions.run()
        if trouble is not None:
            raise trouble
        return await self._settles_at(scope)

    async def _list(self, scope: Scope) -> None:
        """Record what is new; what a whole listing doesn't show any more is gone."""
        if not scope.unordered:
            try:
                await self._list_once(scope, ordered=True)
                return
            except Disorder:
                self._ctx.log("The store does not list keys in their order: they are compared one by one from now on")
        await self._list_once(scope, ordered=False)

    async def _list_once(self, scope: Scope, ordered: bool) -> None:
        ctx, ledger = self._ctx, self._ctx.ledger
        listing = await ledger.begin(scope.id, not ordered, self._began)
        how = comparing(self._trigger, ctx, listing, ordered)
        after: str | None = None
        options, versions = self._trigger.page_options(), self._trigger.version_key == "versionId"
        waiting: Page | None = None
        try:
            async for items in pages(self._client, options, versions, lambda text: ctx.log(text, "WARN")):
                ctx.progress()
                if ordered and not _in_order(after, [it.item for it in items]):
                    raise Disorder
                # A page is only known to be the last one when there is no other.
                page, waiting = waiting, Page(tuple(items), after, False)
                if page is not None:
                    await self._compare(scope, page, how)
                after = items[-1].item if items else after
        except TaskError:
            if waiting is not None:
                await self._compare(scope, waiting, how)
            raise
        if waiting is not None:
            await self._compare(scope, waiting._replace(last=True), how)
        fault_point("s3 listed")
        forget = self._began - self._trigger.state_ttl
        await ledger.finish(scope.id, how, coverage_of(self._trigger), self._began, forget)

    async def _compare(self, scope: Scope, page: Page, how: Comparing) -> None:
        found = await self._ctx.ledger.compare(scope.id, page, how)
        changes = [change for it in found if (change := change_of(self._trigger, scope, it, how.now)) is not None]
        if changes:
            await self._ctx.ledger.record(scope.id, changes, how.now)
            fault_point("s3 recorded")

    async def _work(self, scope: Scope, actions: Actions) -> None:
        """Fire what is left of earlier polls, then what is new, batch by batch, as long as more executions may run."""
        ledger = self._ctx.ledger
        for batch in await ledger.open_batches(scope.id, self._uid):
            if not await self._batch(scope, await ledger.batch(scope.id, batch)):
                return
        while items := await ledger.claim(scope.id, self._uid, self._trigger.max_files, self._began):
            fault_point("s3 claimed")
            if not await self._batch(scope, items):
                return
            await actions.run()

    async def _batch(self, scope: Scope, items: Sequence[Item]) -> bool:
        """Fetch and fire a batch. False: it waits, for no more executions may run."""
        if not items or items[0].batch is None:
            return True
        batch: str = items[0].batch
        left = [it for it in items if it.state is ItemState.FETCHING]
        if left:
            await fetched(self._trigger, self._ctx, self._client, scope.id, batch, left)
            fault_point("s3 fetched")
            items = await self._ctx.ledger.batch(scope.id, batch)
        ready = [it for it in items if it.state is ItemState.READY]
        if not ready:
            return True
        if not await self._may_fire():
            self._ctx.log(f"{len(ready)} objects wait: no more executions may run")
            return False
        await self._fire(scope, batch, ready)
        return True

    async def _may_fire(self) -> bool:
        most = 1 if self._ctx.one_at_a_time else self._trigger.max_in_flight
        return most is None or await self._ctx.running(most) < most

    async def _fire(self, scope: Scope, batch: str, ready: Sequence[Item]) -> None:
        after = {"CREATED": ItemState.ACTION_PENDING, "SUCCESS": ItemState.FIRED}[self._trigger.action_on]
        if self._trigger.action == "NONE":
            after = ItemState.DONE
        variables: dict[str, Any] = {"objects": [shown(it, self._trigger.bucket) for it in ready]}
        consumed = [Consumed(scope.id, it.item, it.serial, after) for it in ready]
        try:
            execution = await self._ctx.fire(batch, variables, consumed)
        except Conflict:
            # A later poll takes up what is left of it.
            self._ctx.log("Objects of a batch were taken by somebody else", "WARN")
            return
        fault_point("s3 fired")
        if execution is None:
            filtered = ItemState.FILTERED
            steps = [Step(it.item, it.serial, it.state, filtered, {"reason": "when"}) for it in ready]
            await self._ctx.ledger.apply(scope.id, steps, self._ctx.now())

    async def _follow_ends(self, scope: Scope) -> None:
        """Let actions begin that wait for good ends of executions."""
        ledger = self._ctx.ledger
        waited_for = await ledger.waited_for(scope.id)
        states = await self._ctx.states(waited_for)
        for execution in waited_for:
            state = states.get(execution)
            if state is not None and state not in GOOD:
                # It runs, or somebody may restart it.
                continue
            after = ItemState.DONE if state is None else ItemState.ACTION_PENDING
            items = await ledger.of_execution(scope.id, execution)
            steps = [Step(it.item, it.serial, ItemState.FIRED, after) for it in items]
            await ledger.apply(scope.id, steps, self._ctx.now())

    async def _settles_at(self, scope: Scope) -> int | None:
        """When new objects may be seen to be unchanged."""
        if not self._trigger.settle_milliseconds:
            return None
        due = await self._ctx.ledger.next_due(scope.id, ItemState.NEW)
        return due or None


async def scope_of(trigger: Trigger, ctx: PollContext) -> Scope:
    """Where the versions of the bucket's objects are remembered."""
    name = f"{ctx.trigger.flow}/{ctx.trigger.id}" if trigger.state_key is None else f"key:{trigger.state_key}"
    return await ctx.ledger.scope(ctx.trigger.namespace, name, f"s3://{trigger.bucket}", ctx.now())


def comparing(trigger: Trigger, ctx: PollContext, listing: int, ordered: bool, dry: bool = False) -> Comparing:
    """How the bucket is compared with what is known."""
    again = None if trigger.reprocess_after is None else ctx.now() - trigger.reprocess_after
    return Comparing(
        listing=listing,
        prefix=trigger.prefix or "",
        beyond=trigger.delimiter,
        start=trigger.marker,
        by=trigger.version_key,
        ordered=ordered,
        now=ctx.now(),
        again=again,
        dry=dry,
    )


COVERED = ("prefix", "delimiter", "marker", "regexp", "glob", "filter")


def coverage_of(trigger: Trigger) -> str:
    """Which objects a trigger looks at, as text."""
    return json.dumps({name: getattr(trigger, name) for name in COVERED if name in trigger.model_fields_set})


def change_of(trigger: Trigger, scope: Scope, found: Difference, now: int) -> Change | None:
    """What becomes of an object that isn't known so; None where it is none of those that are meant."""
    listed, known = found
    if not trigger.takes(listed.item, listed.size):
        return None
    serial = 0 if known is None else known.serial
    fresh = known is None or known.state is ItemState.GONE
    # What nobody has seen is new, however often it was changed before somebody looked.
    unseen = known is not None and known.change == "CREATE" and known.state in UNSEEN
    change = "CREATE" if fresh or unseen else "UPDATE"
    previous = known.etag if known is not None and change == "UPDATE" else None
    state = ItemState.NEW
    if known is None and trigger.initial == "BASELINE" and not covered_before(trigger, scope, listed.item, listed.size):
        state = ItemState.BASELINE
    elif change not in trigger.on and trigger.on != "CREATE_OR_UPDATE":
        state = ItemState.FILTERED
    settle = trigger.settle_milliseconds
    return Change(listed, serial, state, change, previous, now + settle if settle else 0)


def covered_before(trigger: Trigger, scope: Scope, key: str, size: int) -> bool:
    """Whether the last whole listing would have shown the object."""
    if scope.coverage is None:
        return False
    if scope.coverage == coverage_of(trigger):
        return True
    fields = {name: getattr(trigger, name) for name in trigger.model_fields_set if name not in COVERED}
    before = trigger.model_construct(
        _fields_set={*fields, *json.loads(scope.coverage)},
        **{**dict.fromkeys(COVERED), **fields, "filter": "BOTH", **json.loads(scope.coverage)},
    )
    prefix, marker, delimiter = before.prefix or "", before.marker, before.delimiter
    if not key.startswith(prefix) or (marker and key <= marker) or (delimiter and delimiter in key[len(prefix) :]):
        return False
    return before.takes(key, size)


def _in_order(after: str | None, keys: Sequence[str]) -> bool:
    """Whether keys ascend, from the one before them on; text compares as UTF-8 does."""
    whole = keys if after is None else [after, *keys]
    return all(one < other for one, other in pairwise(whole))
