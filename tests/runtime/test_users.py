"""Users, tokens and the audit log of an engine."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from engine.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from engine.runtime.accounts.audit import Audit
from engine.runtime.engine import Engine
from engine.state.user import Role, User
from engine.store.rows import AuditEntry, AuditFilter

PASSWORD = "Root!1234"


@pytest.mark.parametrize(
    ("namespace", "role"),
    [("shop", 3), ("shop.eu", 3), ("shop.eu.fr", 4), ("shopping", 0), ("", 0), (None, 4), ("shop.eu.france", 3)],
)
def test_the_highest_role_above_a_namespace_holds_in_it(namespace: str | None, role: int) -> None:
    assert User("ann", {"shop": Role.EDITOR, "shop.eu.fr": Role.ADMIN}).role(namespace) == role


async def test_the_first_user_is_admin_and_one_of_them_stays(engine: Engine) -> None:
    users = engine.users
    assert not await users.any()
    assert (await users.add("Root", PASSWORD, {"shop": Role.VIEWER})).roles == {"": Role.ADMIN}
    await users.add("ann", None, {"shop": Role.ADMIN})
    for act in (
        users.remove("ROOT"),
        users.set_roles("root", {"": Role.EDITOR}),
        users.set_roles("root", {}, whole=True),
    ):
        with pytest.raises(Refused, match="only ADMIN"):
            await act
    await users.set_roles("ann", {"": Role.ADMIN})
    await users.remove("root")
    assert [account.name for account in await users.list()] == ["ann"]
    await users.remove("ann")
    assert not await users.any()


async def test_what_can_be_no_user_is_refused(engine: Engine) -> None:
    users = engine.users
    for name, password in (("a b", PASSWORD), ("", PASSWORD), ("-a", PASSWORD), ("x" * 257, PASSWORD), ("ann", "weak")):
        with pytest.raises(Malformed):
            await users.add(name, password, {})
    await users.add("ann", PASSWORD, {})
    with pytest.raises(Conflict):
        await users.add("ANN", PASSWORD, {})
    with pytest.raises(Conflict):
        await users.add("ben", PASSWORD, {}, first=True)
    for act in (users.remove("eve"), users.set_password("eve", PASSWORD), users.get("eve")):
        with pytest.raises(NotFound):
            await act


async def test_a_token_lives_as_long_as_it_was_made_for(engine: Engine) -> None:
    await engine.users.add("ann", PASSWORD, {})
    _, short = await engine.tokens.create("ann", "short", 1)
    token, ever = await engine.tokens.create("ann", "ever", None)
    assert await engine.tokens.find(ever) == token
    with anyio.fail_after(20):
        while await engine.tokens.find(short) is not None:
            await anyio.sleep(0.001)
    assert await engine.tokens.find(f"{ever}x") is None


class FullDisk:
    """A store that can't write at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.entries: list[AuditEntry] = []

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("The disk is full")
        self.entries.extend(entries)

    async def list(self, where: AuditFilter) -> Sequence[AuditEntry]:
        return self.entries

    async def count(self, where: AuditFilter) -> int:
        return len(self.entries)

    async def purge(self, before: int) -> int:
        return 0


def entry(at: int) -> AuditEntry:
    return AuditEntry(at, "ann", "", "", "PUT", "/x", "", "", 200)


async def test_audit_entries_wait_for_a_disk_that_is_full_and_keep_their_order() -> None:
    store = FullDisk(2)
    audit = Audit(store)
    await audit.add(entry(0))
    with pytest.raises(Unavailable):
        await audit.flush()
    async with anyio.create_task_group() as tasks:
        await tasks.start(audit.run)
        for number in range(1, 50):
            await audit.add(entry(number))
        tasks.cancel_scope.cancel()
    assert [one.at for one in store.entries] == list(range(50))
