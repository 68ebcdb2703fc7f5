"""Users, their roles, API tokens and sessions."""

from __future__ import annotations

from engine.store.protocols import Store
from engine.store.rows import Account, Token
from support.steps import Open

ANN = Account("ann", "hash", 10, 10, {"": 4, "shop": 1})
BEN = Account("ben", "", 20, 20)


async def test_a_user_comes_back_as_he_was_added(store: Store) -> None:
    assert not await store.accounts.any()
    assert await store.accounts.add(BEN)
    assert await store.accounts.add(ANN)
    assert await store.accounts.any()
    assert await store.accounts.list() == [ANN, BEN]
    assert await store.accounts.list("ann") == [ANN]
    assert await store.accounts.list("eve") == []


async def test_a_name_is_taken_once_and_the_first_user_is_the_first(store: Store) -> None:
    assert await store.accounts.add(ANN, first=True)
    assert not await store.accounts.add(Account("ann", "other", 30, 30, {"attic": 2}))
    assert not await store.accounts.add(BEN, first=True)
    assert await store.accounts.list() == [ANN]


async def test_roles_are_set_one_by_one_or_as_a_whole(store: Store) -> None:
    await store.accounts.add(ANN)
    assert await store.accounts.set_roles("ann", {"shop": 2, "": 0, "attic": 1}, 30)
    assert await store.accounts.list("ann") == [Account("ann", "hash", 10, 30, {"attic": 1, "shop": 2})]
    assert await store.accounts.set_roles("ann", {"cellar": 3}, 40, whole=True)
    assert await store.accounts.list("ann") == [Account("ann", "hash", 10, 40, {"cellar": 3})]
    assert not await store.accounts.set_roles("eve", {"": 4}, 50)
    assert await store.accounts.list("eve") == []


async def test_a_token_is_found_by_its_hash(store: Store, open_again: Open) -> None:
    await store.accounts.add(ANN)
    token = Token("id1", "ann", "API", "ci", 10, 99)
    assert await store.tokens.add(token, "h1")
    assert not await store.tokens.add(Token("id2", "ann", "API", "ci", 11), "h2")
    assert not await store.tokens.add(Token("id2", "eve", "API", "ci", 11), "h2")
    async with open_again() as other:
        assert await other.tokens.find("h1") == token
        assert await other.tokens.find("h2") is None


async def test_sessions_are_not_listed_and_several_have_no_name(store: Store) -> None:
    await store.accounts.add(ANN)
    await store.accounts.add(BEN)
    for id, kind, account in (
        ("a", "SESSION", "ann"),
        ("b", "SESSION", "ann"),
        ("c", "API", "ann"),
        ("d", "API", "ben"),
    ):
        assert await store.tokens.add(Token(id, account, kind, "", 10), id)
    assert [token.id for token in await store.tokens.list()] == ["c", "d"]
    assert [token.id for token in await store.tokens.list("ann")] == ["c"]


async def test_a_token_goes_when_it_is_deleted_expired_or_of_nobody(store: Store) -> None:
    await store.accounts.add(ANN)
    for id, expires in (("old", 50), ("new", 51), ("ever", None)):
        await store.tokens.add(Token(id, "ann", "API", id, 10, expires), id)
    assert await store.tokens.purge(50) == 1
    assert not await store.tokens.delete("ben", "new")
    assert await store.tokens.delete("ann", "new")
    assert [token.id for token in await store.tokens.list()] == ["ever"]
    assert await store.accounts.remove("ann")
    assert not await store.accounts.remove("ann")
    assert await store.tokens.find("ever") is None


async def test_another_password_ends_the_sessions(store: Store) -> None:
    await store.accounts.add(ANN)
    await store.tokens.add(Token("s", "ann", "SESSION", "", 10), "s")
    await store.tokens.add(Token("t", "ann", "API", "ci", 10), "t")
    assert await store.accounts.set_password("ann", "new", 60)
    assert not await store.accounts.set_password("eve", "new", 60)
    assert (await store.accounts.list("ann"))[0].password == "new"
    assert await store.tokens.find("s") is None
    assert await store.tokens.find("t") is not None
