"""Flows and their revisions."""

from __future__ import annotations

import pytest

from engine.errors import Conflict, NotFound
from engine.store.protocols import Store
from engine.store.rows import Concurrency, NewFlow, StoredFlow


async def test_a_changed_source_is_a_new_revision(store: Store) -> None:
    first = await store.flows.save("shop", "orders", "id: orders", 1)
    assert first == StoredFlow("shop", "orders", 1, "id: orders", 1)
    assert await store.flows.save("shop", "orders", "id: orders # again", 2) == StoredFlow(
        "shop", "orders", 2, "id: orders # again", 2
    )
    assert await store.flows.get("shop", "orders", 1) == first
    assert (await store.flows.get("shop", "orders")).revision == 2


async def test_the_same_source_is_the_same_revision(store: Store) -> None:
    first = await store.flows.save("shop", "orders", "id: orders", 1)
    assert await store.flows.save("shop", "orders", "id: orders", 2) == first


async def test_an_older_source_comes_back_as_a_new_revision(store: Store) -> None:
    for at, source in enumerate(("one", "two", "one"), start=1):
        await store.flows.save("shop", "orders", source, at)
    assert (await store.flows.get("shop", "orders")).revision == 3


async def test_a_deleted_flow_is_gone_but_its_revisions_stay(store: Store) -> None:
    await store.flows.save("shop", "orders", "source", 1)
    await store.flows.delete("shop", "orders", 2)
    with pytest.raises(NotFound):
        await store.flows.get("shop", "orders")
    with pytest.raises(NotFound):
        await store.flows.delete("shop", "orders", 3)
    assert (await store.flows.get("shop", "orders", 1)).source == "source"
    assert await store.flows.list() == []


async def test_a_deleted_flow_saved_again_goes_on_counting(store: Store) -> None:
    await store.flows.save("shop", "orders", "source", 1)
    await store.flows.delete("shop", "orders", 2)
    saved = await store.flows.save("shop", "orders", "source", 3)
    assert (saved.revision, saved.deleted) == (3, False)


async def test_lists_latest_revisions_in_order(store: Store) -> None:
    for namespace, id, source in (("b", "x", "1"), ("a", "z", "1"), ("a", "y", "1"), ("a", "y", "2")):
        await store.flows.save(namespace, id, source, 1)
    assert [(flow.namespace, flow.id, flow.revision) for flow in await store.flows.list()] == [
        ("a", "y", 2),
        ("a", "z", 1),
        ("b", "x", 1),
    ]
    assert [flow.id for flow in await store.flows.list("b")] == ["x"]


async def test_what_does_not_exist_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match=r"flow 'shop\.orders' does not exist"):
        await store.flows.get("shop", "orders")
    await store.flows.save("shop", "orders", "source", 1)
    with pytest.raises(NotFound, match="revision 7"):
        await store.flows.get("shop", "orders", 7)


async def test_old_revisions_are_deleted_and_the_latest_stays(store: Store) -> None:
    for at, source in enumerate(("one", "two", "three"), 1):
        await store.flows.save("shop", "orders", source, at)
    assert await store.flows.delete_revisions("shop", "orders", [1, 3, 7]) == 1
    assert [flow.source for flow in await store.flows.revisions("shop", "orders")] == ["two", "three"]
    assert await store.flows.delete_revisions("shop", "none", [1]) == 0


async def test_a_fresh_flow_is_stored_where_there_is_none(store: Store) -> None:
    await store.flows.save("shop", "orders", "one", 1, fresh=True)
    with pytest.raises(Conflict, match="exists already"):
        await store.flows.save("shop", "orders", "two", 2, fresh=True)
    await store.flows.delete("shop", "orders", 3)
    assert (await store.flows.save("shop", "orders", "two", 4, fresh=True)).revision == 3


async def test_flows_are_replaced_all_or_none(store: Store) -> None:
    await store.flows.save("shop", "old", "old", 1)
    await store.flows.save("shop", "same", "same", 1)
    new = [NewFlow("shop", "same", "same"), NewFlow("shop", "new", "new", Concurrency(2, "QUEUE"))]
    stored = await store.flows.replace(new, [("shop", "old"), ("shop", "none")], 2)
    assert [(flow.id, flow.revision) for flow in stored] == [("same", 1), ("new", 1)]
    assert [flow.id for flow in await store.flows.list()] == ["new", "same"]
    assert (await store.slots.of("shop", "new")).limit == 2
    with pytest.raises(Exception, match="NOT NULL"):
        await store.flows.replace([NewFlow("shop", "a", "a"), NewFlow("shop", "b", None)], [("shop", "new")], 3)  # type: ignore[arg-type]
    assert [flow.id for flow in await store.flows.list()] == ["new", "same"]
