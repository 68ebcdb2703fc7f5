"""Items that triggers detect: compared with listings, taken in batches, consumed with executions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.settings import Settings
from engine.state.ledger import Change, Comparing, Consumed, Difference, Item, ItemState, Listed, Page, Step
from engine.store.database import open_database
from engine.store.migrate import FOLDER
from engine.store.protocols import Store
from engine.store.query import queries
from engine.store.rows import DeclaredTrigger, Write
from support.steps import OWNER, execution

NEW, FETCHING, READY = ItemState.NEW, ItemState.FETCHING, ItemState.READY
FIRED, DONE, FAILED, GONE = ItemState.FIRED, ItemState.DONE, ItemState.FAILED, ItemState.GONE


def seen(*keys: str, etag: str = "one") -> list[Listed]:
    return [Listed(key, etag, 3, 5) for key in keys]


Found = list[Difference]


class Bucket:
    """A scope, and listings of it."""

    def __init__(self, store: Store, id: int, prefix: str = "") -> None:
        self.store = store
        self.id = id
        self.how = Comparing(0, prefix, None, None, "etag", True, 1000)

    async def list(
        self, items: Sequence[Listed], *, size: int = 2, at: int = 1000, whole: bool = True
    ) -> list[Difference]:
        """Compare a listing, page by page, and record what is new."""
        how = self.how._replace(listing=await self.store.ledger.begin(self.id, not self.how.ordered, at), now=at)
        found: list[Difference] = []
        after: str | None = None
        for start in range(0, max(1, len(items)), size):
            page = Page(tuple(items[start : start + size]), after, start + size >= len(items) and whole)
            new = await self.store.ledger.compare(self.id, page, how)
            await self.record(new, at)
            found += new
            after = page.items[-1].item if page.items else after
        if whole:
            await self.store.ledger.finish(self.id, how, "all", at, at - 100)
        return found

    async def record(self, new: Sequence[Difference], at: int, **fields: object) -> int:
        changes = [
            Change(it.listed, it.known.serial if it.known else 0, NEW, "UPDATE" if it.known else "CREATE") for it in new
        ]
        return await self.store.ledger.record(self.id, changes, at)

    async def all(self) -> dict[str, ItemState]:
        return {f"{it.item}/{it.serial}": it.state for it in await self.store.ledger.known(self.id, None, 1000)}

    async def finished(self, limit: int = 100, after: ItemState = DONE) -> list[Item]:
        batch = list(await self.store.ledger.claim(self.id, "me", limit, 2000))
        steps = [Step(it.item, it.serial, FETCHING, READY) for it in batch]
        await self.store.ledger.apply(self.id, steps, 2000)
        steps = [Step(it.item, it.serial, READY, after) for it in batch]
        await self.store.ledger.apply(self.id, steps, 2000)
        return batch


async def bucket(store: Store, name: str = "watch", prefix: str = "") -> Bucket:
    return Bucket(store, (await store.ledger.scope("shop", name, "s3://bucket", 1)).id, prefix)


def items(found: Sequence[Difference]) -> list[str]:
    return [it.listed.item for it in found]


async def test_a_scope_is_made_once(store: Store) -> None:
    first = await store.ledger.scope("shop", "watch", "s3://bucket", 1)
    assert await store.ledger.scope("shop", "watch", "s3://bucket", 2) == first
    assert (first.coverage, first.listing, first.listed, first.unordered) == (None, 0, None, False)
    others = [await store.ledger.scope("shop", *rest, 1) for rest in (("other", "s3://bucket"), ("watch", "s3://b"))]
    assert len({first.id, *(it.id for it in others)}) == 3


async def test_what_is_known_is_no_difference_and_what_changed_is(store: Store) -> None:
    here = await bucket(store)
    assert items(await here.list(seen("a", "b", "c"))) == ["a", "b", "c"]
    assert await here.list(seen("a", "b", "c")) == []
    found = await here.list([*seen("a"), *seen("b", etag="two"), *seen("c", "d")])
    assert items(found) == ["b", "d"]
    assert found[0].known is not None
    assert (found[0].known.serial, found[0].known.etag, found[1].known) == (1, "one", None)
    assert await here.all() == {"a/1": NEW, "b/2": NEW, "c/1": NEW, "d/1": NEW}


async def test_the_order_is_that_of_utf_8(store: Store) -> None:
    here = await bucket(store)
    keys = [
        "",
        "a b",
        "a+b",
        "a/b",
        "a\nb",
        "é",
        "e\u0301",
        "\uffee",
        "\U0001f600",
        "..",
        "Z",
        "a" * 1024,
        "%2F",
        "'\"#?",
    ]
    ordered = sorted(keys, key=str.encode)
    assert items(await here.list(seen(*ordered))) == ordered
    assert await here.list(seen(*ordered)) == []
    assert await here.list(seen(*ordered), size=5) == []
    assert set((await here.all()).values()) == {NEW}


@pytest.mark.parametrize("ordered", [True, False])
async def test_only_a_whole_listing_shows_that_something_is_gone(store: Store, ordered: bool) -> None:
    here = await bucket(store)
    here.how = here.how._replace(ordered=ordered)
    await here.list(seen("a", "b", "c", "d", "e"))
    await here.list(seen("a", "e"), whole=False)
    assert set((await here.all()).values()) == {NEW}
    await here.list(seen("b", "d") if ordered else seen("d", "b"))
    assert await here.all() == {"a/1": GONE, "b/1": NEW, "c/1": GONE, "d/1": NEW, "e/1": GONE}
    found = await here.list(seen("a", "b", "d"))
    assert items(found) == ["a"]
    assert found[0].known is not None
    assert found[0].known.state is GONE
    assert (await here.all())["a/2"] is NEW


async def test_what_was_given_to_an_execution_is_not_lost_with_the_item(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a", "b"))
    await here.finished(1, after=FIRED)
    await here.list([])
    assert await here.all() == {"a/1": FIRED, "b/1": GONE}


async def test_more_may_be_missed_than_is_read_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.comparing.MISSED_AT_ONCE", 3)
    monkeypatch.setattr("engine.store.ledger.AT_ONCE", 4)
    here = await bucket(store)
    keys = [f"k{number:03}" for number in range(50)]
    await here.list(seen(*keys))
    assert await here.list(seen("k000", "k025", "k049")) == []
    assert [item for item, state in (await here.all()).items() if state is NEW] == ["k000/1", "k025/1", "k049/1"]


async def test_other_prefixes_and_what_a_listing_leaves_out_are_not_missed(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a/1", "b/1", "b/2/x", "b/3", "c/1"))
    here.how = here.how._replace(prefix="b/", beyond="/", start="b/1")
    await here.list(seen("b/3"))
    assert set((await here.all()).values()) == {NEW}
    await here.list([])
    assert await here.all() == {"a/1/1": NEW, "b/1/1": NEW, "b/2/x/1": NEW, "b/3/1": GONE, "c/1/1": NEW}


async def test_what_tells_versions_apart_can_be_chosen(store: Store) -> None:
    here = await bucket(store)
    await here.list([Listed("a", "one", 3, 5, "v1")])
    other = [Listed("a", "one", 3, 6, "v2")]
    for by, expected in (("etag", []), ("lastModified", ["a"]), ("versionId", ["a"])):
        how = here.how._replace(by=by, listing=9)
        assert items(await store.ledger.compare(here.id, Page(tuple(other), None, True), how)) == expected


async def test_what_was_done_long_ago_may_count_as_new(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a", "b"))
    await here.finished(1)
    here.how = here.how._replace(again=2000)
    assert await here.list(seen("a", "b")) == []
    here.how = here.how._replace(again=2001)
    assert items(await here.list(seen("a", "b"))) == ["a"]


async def test_what_has_to_settle_is_taken_once_it_was_seen_again_unchanged(store: Store) -> None:
    here = await bucket(store)
    await store.ledger.record(here.id, [Change(it, 0, NEW, "CREATE", due=1500) for it in seen("a", "b")], 1000)
    assert await store.ledger.claim(here.id, "me", 9, 9000) == []
    assert await here.list(seen("a", "b"), at=1499) == []
    assert await store.ledger.claim(here.id, "me", 9, 9000) == []
    await here.list([*seen("a"), *seen("b", etag="two")], at=1500)
    assert [(it.item, it.etag) for it in await store.ledger.claim(here.id, "me", 1, 9000)] == [("a", "one")]


async def test_a_version_is_recorded_once_whoever_does(store: Store) -> None:
    here = await bucket(store)
    page = Page(tuple(seen("a", "b")), None, True)
    first = await store.ledger.compare(here.id, page, here.how)
    second = await store.ledger.compare(here.id, page, here.how)
    assert [await here.record(found, 1) for found in (first, second)] == [2, 0]


async def test_a_batch_is_taken_by_one_and_resumed_by_it(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a", "b", "c"))
    mine = await store.ledger.claim(here.id, "me", 2, 2000)
    theirs = await store.ledger.claim(here.id, "they", 2, 2000)
    assert [[it.item for it in batch] for batch in (mine, theirs)] == [["a", "b"], ["c"]]
    assert await store.ledger.claim(here.id, "me", 2, 2000) == []
    assert (mine[0].state, mine[0].taker, mine[0].batch) == (FETCHING, "me", mine[1].batch)
    ready = Step("a", 1, FETCHING, READY, {"uri": "kestra:///a", "sha256": "hash"})
    failed = Step("b", 1, FETCHING, FAILED, {"due": 5000, "tries": 1, "reason": "no right"})
    assert await store.ledger.apply(here.id, [ready, failed], 2500) == 2
    assert await store.ledger.apply(here.id, [ready], 2500) == 0
    (batch,) = await store.ledger.open_batches(here.id, "me")
    assert [(it.item, it.state, it.uri) for it in await store.ledger.batch(here.id, batch)] == [
        ("a", READY, "kestra:///a")
    ]
    assert await store.ledger.claim(here.id, "me", 2, 4999) == []
    (again,) = await store.ledger.claim(here.id, "me", 2, 5000)
    assert (again.item, again.tries, again.reason) == ("b", 1, "no right")
    assert again.batch != batch


async def test_tr_01_an_execution_and_what_it_takes_are_written_together_or_not_at_all(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a", "b"))
    batch = await store.ledger.claim(here.id, "me", 2, 2000)
    await store.ledger.apply(here.id, [Step(it.item, 1, FETCHING, READY) for it in batch[:1]], 2000)
    taken = [Consumed(here.id, it.item, 1, FIRED) for it in batch]
    with pytest.raises(Conflict):
        await store.executions.commit(Write(execution("first"), OWNER, consumed=taken))
    assert await store.executions.heads(["first"]) == []  # type: ignore[list-item]
    assert await here.all() == {"a/1": READY, "b/1": FETCHING}
    await store.executions.commit(Write(execution("second"), OWNER, consumed=taken[:1]))
    assert await here.all() == {"a/1": FIRED, "b/1": FETCHING}
    with pytest.raises(Conflict):
        await store.executions.commit(Write(execution("third"), OWNER, consumed=taken[:1]))
    assert await store.ledger.waited_for(here.id) == ["second"]
    assert [it.item for it in await store.ledger.of_execution(here.id, "second")] == ["a"]


async def test_steps_of_others_in_the_same_group_are_written(store: Store) -> None:
    here = await bucket(store)
    await store.executions.commit(Write(execution("other"), OWNER))
    missing = [Consumed(here.id, "a", 1, DONE)]
    with pytest.raises(Conflict):
        await store.executions.commit(Write(execution("first"), OWNER, consumed=missing))
    assert len(await store.executions.heads(["other"])) == 1  # type: ignore[list-item]


async def test_a_later_version_leaves_alone_what_was_given_to_an_execution(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a"))
    await here.finished(after=ItemState.ACTION_PENDING)
    await here.list(seen("a", etag="two"))
    assert await here.all() == {"a/1": ItemState.ACTION_PENDING, "a/2": NEW}
    (due,) = await store.ledger.due(here.id, ItemState.ACTION_PENDING, 9000, 10)
    assert await store.ledger.due(here.id, ItemState.ACTION_PENDING, 9000, 10, due) == []
    await store.ledger.apply(here.id, [Step("a", 1, ItemState.ACTION_PENDING, DONE)], 3000)
    assert await here.all() == {"a/2": NEW}


async def test_s3_16_only_what_is_gone_for_long_is_forgotten(store: Store) -> None:
    here = await bucket(store)
    await here.list(seen("a", "b"), at=1000)
    await here.list(seen("a"), at=2000)
    await here.list(seen("a"), at=2100)
    assert await here.all() == {"a/1": NEW, "b/1": GONE}
    await here.list(seen("a"), at=2101)
    assert await here.all() == {"a/1": NEW}
    assert await store.ledger.counts(here.id) == {NEW: 1}


async def test_scopes_of_triggers_that_are_gone_are_forgotten(store: Store) -> None:
    triggers = [DeclaredTrigger("watch", "aws.s3.Trigger", "one")]
    await store.flows.save("shop", "flow", "text", 1, triggers=triggers)
    scopes = [await bucket(store, name) for name in ("flow/watch", "flow/gone", "key:shared", "flow/recent")]
    for here in scopes:
        await here.list(seen("a", "b"), at=5000 if here is scopes[3] else 1000)
    assert await store.ledger.purge(2000) == 1
    assert [len(await here.all()) for here in scopes] == [2, 0, 2, 2]


LOOKED_UP = (
    "miss_ledger_items",
    "settle_ledger_items",
    "lose_ledger_items",
    "claim_items",
    "apply_steps",
    "consume_items",
)


@pytest.mark.parametrize("name", LOOKED_UP)
def test_rows_are_looked_up_one_by_one_however_many_there_are(name: str, tmp_path: Path) -> None:
    connection = open_database(tmp_path / "store.db", FOLDER / "main", Settings().sqlite)
    parameters = dict.fromkeys(("rows", "at", "listing", "taker", "batch", "scope"), "[]")
    plan = " ".join(row[3] for row in connection.execute(f"explain query plan {queries('sqlite')[name]}", parameters))
    connection.close()
    assert "SEARCH ledger_item USING PRIMARY KEY (scope=? AND item=? AND serial=?)" in plan
