"""Who changed what."""

from __future__ import annotations

from engine.store.protocols import Store
from engine.store.rows import AuditEntry, AuditFilter


def entry(at: int, user: str = "ann", namespace: str = "shop", target: str = "f") -> AuditEntry:
    return AuditEntry(at, user, "ci", "127.0.0.1", "PUT", "/flows/{namespace}/{id}", namespace, target, 200)


async def test_entries_come_back_newest_first(store: Store) -> None:
    entries = [entry(10), entry(20), entry(20, "ben")]
    await store.audit.append(entries[:2])
    await store.audit.append(entries[2:])
    assert await store.audit.list(AuditFilter()) == entries[::-1]
    assert await store.audit.list(AuditFilter(limit=1, offset=1)) == [entries[1]]
    assert await store.audit.count(AuditFilter(limit=1)) == 3


async def test_they_are_found_by_user_namespace_target_and_time(store: Store) -> None:
    await store.audit.append([entry(10), entry(20, "ben", "shop.eu", "g"), entry(30, "ben", "shopping")])
    for where, wanted in (
        (AuditFilter(user="ben"), [30, 20]),
        (AuditFilter(below="shop"), [20, 10]),
        (AuditFilter(target="g"), [20]),
        (AuditFilter(since=20, until=30), [20]),
        (AuditFilter(user="ben", since=21), [30]),
        (AuditFilter(user="eve"), []),
    ):
        assert [one.at for one in await store.audit.list(where)] == wanted
        assert await store.audit.count(where) == len(wanted)


async def test_old_ones_are_purged(store: Store) -> None:
    await store.audit.append([entry(10), entry(20)])
    assert await store.audit.purge(20) == 1
    assert [one.at for one in await store.audit.list(AuditFilter())] == [20]
