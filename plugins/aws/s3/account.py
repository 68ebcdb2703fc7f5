"""What a trigger would do, and what became of everything that it should have seen."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from engine.plugin import Audit, Difference, ItemState, Page, PollContext, Preview, Scope
from plugins.aws.s3.connection import Client
from plugins.aws.s3.pages import pages
from plugins.aws.s3.watch import change_of, comparing, scope_of

if TYPE_CHECKING:
    from plugins.aws.s3.trigger import Trigger

SHOWN = 100
AT_ONCE = 1000
# An object that is younger than the last look, as far as clocks tell, was not there to be seen.
MARGIN = 60_000
TOLD_APART = ("key", "etag", "versionId", "lastModified", "changeType", "previousEtag")
TAKEN = (ItemState.FIRED, ItemState.ACTION_PENDING, ItemState.DONE)


async def previewed(trigger: Trigger, ctx: PollContext, client: Client) -> Preview:
    """How many objects the next poll would take."""
    scope = await scope_of(trigger, ctx)
    count = 0
    first: list[str] = []
    async for found in _differences(trigger, ctx, client, scope):
        for it in found:
            change = change_of(trigger, scope, it, ctx.now())
            if change is not None and change.state is ItemState.NEW:
                count += 1
                if len(first) < SHOWN:
                    first.append(it.listed.item)
    counts = await ctx.ledger.counts(scope.id)
    count += sum(counts.get(state, 0) for state in (ItemState.NEW, ItemState.FETCHING, ItemState.READY))
    return Preview(f"s3://{trigger.bucket}/{trigger.prefix or ''}", count, -(-count // trigger.max_files), first)


async def audited(trigger: Trigger, ctx: PollContext, client: Client) -> Audit:
    """One listing, joined with what is remembered and with the executions."""
    scope = await scope_of(trigger, ctx)
    missing: list[str] = []
    counts: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    async for found in _differences(trigger, ctx, client, scope):
        for it in found:
            change = change_of(trigger, scope, it, ctx.now())
            if change is None:
                ignored[_rule(trigger, it)] += 1
            elif scope.listed is None or (it.listed.modified or 0) > scope.listed - MARGIN:
                counts["not seen yet"] += 1
            else:
                counts["missing"] += 1
                missing.append(it.listed.item)
    for state, count in (await ctx.ledger.counts(scope.id)).items():
        counts[state.value.lower().replace("_", " ")] = count
    executions, duplicate = await _fired(trigger, ctx)
    lost = await _lost(ctx, scope, executions)
    source = f"s3://{trigger.bucket}/{trigger.prefix or ''}"
    return Audit(source, dict(counts), dict(ignored), missing[:SHOWN], duplicate[:SHOWN], lost[:SHOWN])


async def _differences(trigger: Trigger, ctx: PollContext, client: Client, scope: Scope) -> Any:
    """What of the bucket isn't known, page by page; nothing is remembered of it."""
    how = comparing(trigger, ctx, scope.listing, ordered=False, dry=True)
    async for items in pages(client, trigger.page_options(), trigger.version_key == "versionId"):
        yield await ctx.ledger.compare(scope.id, Page(tuple(items), None, False), how)


def _rule(trigger: Trigger, found: Difference) -> str:
    """Why an object is left alone."""
    if found.listed.item.endswith("/"):
        return "filter"
    if trigger.target_folder is not None and found.listed.item.startswith(trigger.target_folder):
        return "moveTo"
    return "glob" if trigger.glob is not None and trigger.regexp is None else "regexp"


async def _fired(trigger: Trigger, ctx: PollContext) -> tuple[set[str], list[str]]:
    """All executions, and objects of which more than one has the same version."""
    executions: set[str] = set()
    seen: set[bytes] = set()
    duplicate: list[str] = []
    async for id, variables in ctx.fired():
        executions.add(id)
        for it in variables.get("objects", ()):
            # Stores tell dates by the second: what was deleted and is there again may have the same one.
            version = tuple(it.get(name) for name in TOLD_APART)
            mark = blake2b(repr(version).encode(), digest_size=16).digest()
            if mark in seen and trigger.reprocess_after is None:
                duplicate.append(str(it.get("key")))
            seen.add(mark)
    return executions, duplicate


async def _lost(ctx: PollContext, scope: Scope, executions: set[str]) -> list[str]:
    """Objects whose execution is not there; it may have been deleted."""
    found: list[str] = []
    after: tuple[str, int] | None = None
    while items := await ctx.ledger.known(scope.id, after, AT_ONCE):
        found += [it.item for it in items if it.state in TAKEN and it.execution not in executions]
        after = (items[-1].item, items[-1].serial)
    return found
