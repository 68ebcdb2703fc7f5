"""Keys with their values, and secrets."""

from __future__ import annotations

import msgspec

from engine.store.protocols import Store
from engine.store.rows import Entry, NamespaceRow, SecretInfo
from support.steps import Open

ONE = Entry("shop", "limit", "NUMBER", "42", None, 10, 10)


async def test_a_value_comes_back_as_it_was_put(store: Store) -> None:
    assert await store.kv.get("shop", "limit") is None
    entry = Entry("shop", "limit", "JSON", '{"a":"ü"}', "how much", 10, 10, 500)
    assert await store.kv.put(entry)
    assert await store.kv.get("shop", "limit") == entry
    assert await store.kv.get("other", "limit") is None


async def test_another_value_keeps_creation_and_description(store: Store) -> None:
    await store.kv.put(Entry("shop", "limit", "NUMBER", "1", "how much", 10, 10, 500))
    await store.kv.put(Entry("shop", "limit", "STRING", '"two"', None, 20, 20))
    assert await store.kv.get("shop", "limit") == Entry("shop", "limit", "STRING", '"two"', "how much", 10, 20, None, 2)


async def test_a_taken_key_stays_where_that_is_wanted(store: Store) -> None:
    assert await store.kv.put(ONE, overwrite=False)
    assert not await store.kv.put(msgspec.structs.replace(ONE, value="43", updated=20), overwrite=False)
    assert await store.kv.get("shop", "limit") == ONE


async def test_an_expired_key_is_not_taken(store: Store) -> None:
    await store.kv.put(msgspec.structs.replace(ONE, expires=100))
    new = msgspec.structs.replace(ONE, value="43", created=100, updated=100)
    assert await store.kv.put(new, overwrite=False)
    assert await store.kv.get("shop", "limit") == new


async def test_entries_are_listed_by_namespace_and_prefix(store: Store) -> None:
    for namespace, key in (("shop", "b"), ("shop", "a.2"), ("shop", "a.1"), ("attic", "a.1")):
        await store.kv.put(msgspec.structs.replace(ONE, namespace=namespace, key=key))
    assert [(entry.namespace, entry.key) for entry in await store.kv.list()] == [
        ("attic", "a.1"),
        ("shop", "a.1"),
        ("shop", "a.2"),
        ("shop", "b"),
    ]
    assert [entry.key for entry in await store.kv.list("shop", "a.")] == ["a.1", "a.2"]


async def test_deletes_what_is_there_and_what_has_expired(store: Store) -> None:
    await store.kv.put(ONE)
    await store.kv.put(msgspec.structs.replace(ONE, key="brief", expires=100))
    both = [("shop", "limit"), ("shop", "brief"), ("shop", "none")]
    assert await store.kv.delete(both, expired=99) == 0
    assert await store.kv.delete(both, expired=100) == 1
    assert [entry.key for entry in await store.kv.list()] == ["limit"]
    assert await store.kv.delete(both) == 1
    assert await store.kv.list() == []


async def test_the_nearest_secret_is_found(store: Store) -> None:
    await store.secrets.put("", "TOKEN", "everywhere", 1)
    await store.secrets.put("shop.team", "TOKEN", "near", 2)
    chain = ["shop.team", "shop", ""]
    assert await store.secrets.find(chain, "TOKEN") == "near"
    assert await store.secrets.find(chain[1:], "TOKEN") == "everywhere"
    assert await store.secrets.find(chain[:2], "OTHER") is None


async def test_secrets_are_listed_without_values_and_deleted(store: Store, open_again: Open) -> None:
    await store.secrets.put("shop", "TOKEN", "first", 1, "of the till")
    await store.secrets.put("shop", "TOKEN", "second", 2)
    await store.secrets.put("", "OTHER", "third", 3)
    shop = SecretInfo("shop", "TOKEN", "of the till", 1, 2)
    assert await store.secrets.list() == [SecretInfo("", "OTHER", None, 3, 3), shop]
    assert await store.secrets.list("shop") == [shop]
    async with open_again() as again:
        assert await again.secrets.find(["shop"], "TOKEN") == "second"
    assert await store.secrets.delete("shop", "TOKEN")
    assert not await store.secrets.delete("shop", "TOKEN")
    assert await store.secrets.find(["shop"], "TOKEN") is None


async def test_earlier_values_are_kept_up_to_a_number(store: Store) -> None:
    for value in range(5):
        await store.kv.put(msgspec.structs.replace(ONE, value=str(value), updated=value), keep=3)
    found = await store.kv.get("shop", "limit")
    assert found is not None
    assert (found.value, found.revision) == ("4", 5)
    assert [(it.value, it.revision) for it in await store.kv.older("shop", "limit")] == [("3", 4), ("2", 3), ("1", 2)]
    assert not await store.kv.put(ONE, overwrite=False, keep=3)
    assert len(await store.kv.older("shop", "limit")) == 3
    assert await store.kv.purge([("shop", "limit")], keep=3, before=9) == 1
    assert await store.kv.purge([("shop", "limit")], keep=1, before=3) == 1
    assert [it.value for it in await store.kv.older("shop", "limit")] == ["3"]
    await store.kv.delete([("shop", "limit")])
    assert await store.kv.older("shop", "limit") == []


async def test_a_key_that_expired_begins_anew(store: Store) -> None:
    await store.kv.put(ONE, keep=3)
    await store.kv.put(msgspec.structs.replace(ONE, expires=100, updated=20), keep=3)
    await store.kv.put(msgspec.structs.replace(ONE, updated=100), keep=3)
    found = await store.kv.get("shop", "limit")
    assert found is not None
    assert found.revision == 1
    assert await store.kv.older("shop", "limit") == []


async def test_namespaces_are_made_described_and_removed(store: Store) -> None:
    await store.namespaces.put("shop", None, 1)
    await store.namespaces.put("attic", "old", 2)
    await store.namespaces.put("shop", "new", 3)
    assert await store.namespaces.list() == [NamespaceRow("attic", "old", 2), NamespaceRow("shop", "new", 1)]
    assert await store.namespaces.delete("shop")
    assert not await store.namespaces.delete("shop")
    assert [row.id for row in await store.namespaces.list()] == ["attic"]
