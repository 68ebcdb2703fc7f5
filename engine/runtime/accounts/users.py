"""Users of the server: their names, passwords and roles.

The moment the first one is there the server asks everybody who he is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from engine.clock import Clock
from engine.errors import Conflict, Malformed, NotFound, Refused
from engine.runtime.accounts.passwords import Passwords, weakness
from engine.state.user import EVERYWHERE, Role
from engine.store.access import AccountStore
from engine.store.rows import Account

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,255}")


class Users:
    """The users of a data folder. Names are the same in upper and lower case.

    on_change: told after each change of a user or his tokens, so that what is remembered of them is forgotten
    """

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._passwords = Passwords()
        self.on_change: Callable[[], None] = lambda: None

    async def any(self) -> bool:
        """Whether there is a user."""
        return await self._store.any()

    async def list(self) -> Sequence[Account]:
        return await self._store.list()

    async def find(self, name: str) -> Account | None:
        return next(iter(await self._store.list(name.lower())), None)

    async def get(self, name: str) -> Account:
        """Raises NotFound."""
        account = await self.find(name)
        if account is None:
            raise _nobody(name)
        return account

    async def add(self, name: str, password: str | None, roles: Mapping[str, int], *, first: bool = False) -> Account:
        """Add a user; one without a password signs in elsewhere. The first one becomes ADMIN of all.

        first: only as the first one
        Raises Malformed for a bad name or password, Conflict where the name is taken or `first` is too late.
        """
        if not NAME.fullmatch(name.lower()):
            raise Malformed(
                "A user's name has at most 256 letters, digits, '.', '_', '@', '+' and '-', and begins with one of the "
                f"first two: '{name[:100]}'"
            )
        if not await self.any():
            roles = {EVERYWHERE: Role.ADMIN}
        now = self._clock.now()
        account = Account(name.lower(), "" if password is None else await self._hashed(password), now, now, roles)
        if not await self._store.add(account, first):
            raise Conflict("There is a user already" if first else f"There is a user '{account.name}' already")
        self.on_change()
        return account

    async def signed_in(self, name: str, roles: Mapping[str, int] | None) -> Account:
        """The user who signed in elsewhere, made where there is none; with these roles alone, or for None those he has.

        Raises Refused for one who has a password here: that the names are the same doesn't say that it is him.
        """
        now = self._clock.now()
        if await self._store.add(Account(name, "", now, now, roles or {})):
            self.on_change()
            return await self.get(name)
        account = await self.get(name)
        if account.password:
            raise Refused(f"'{name}' is a user with a password here, and signs in with that")
        if roles is None or account.roles == roles:
            return account
        await self._store.set_roles(name, roles, now, whole=True)
        self.on_change()
        return await self.get(name)

    async def check(self, account: Account | None, password: str) -> bool:
        """Whether a password is that of a user; that it is not takes as long to say where there is no such user."""
        return await self._passwords.matches(password, account.password if account else "")

    async def set_password(self, name: str, password: str) -> None:
        """Ends all sessions of the user. Raises NotFound, Malformed for a weak password."""
        hashed = await self._hashed(password)
        if not await self._store.set_password(name.lower(), hashed, self._clock.now()):
            raise _nobody(name)
        self.on_change()

    async def set_roles(self, name: str, roles: Mapping[str, int], *, whole: bool = False) -> Account:
        """Set the roles in namespaces, 0 for none; `whole`: he keeps no other. Raises NotFound, Refused."""
        if roles.get(EVERYWHERE, 0 if whole else Role.ADMIN) < Role.ADMIN:
            await self._keep_an_admin(name)
        if not await self._store.set_roles(name.lower(), roles, self._clock.now(), whole):
            raise _nobody(name)
        self.on_change()
        return await self.get(name)

    async def remove(self, name: str) -> None:
        """Remove a user with his tokens. Raises NotFound, Refused for the only ADMIN of several users."""
        if len(await self.list()) > 1:
            await self._keep_an_admin(name)
        if not await self._store.remove(name.lower()):
            raise _nobody(name)
        self.on_change()

    async def _keep_an_admin(self, name: str) -> None:
        admins = {one.name for one in await self.list() if one.roles.get(EVERYWHERE) == Role.ADMIN}
        if admins == {name.lower()}:
            raise Refused(f"'{name}' is the only ADMIN of all namespaces: give somebody else that role first")

    async def _hashed(self, password: str) -> str:
        if (lack := weakness(password)) is not None:
            raise Malformed(lack)
        return await self._passwords.hashed(password)


def _nobody(name: str) -> NotFound:
    return NotFound("user", name, "`tidegate user list` shows those there are")
