"""Passwords: which are good enough, and how they are kept.

A hash says how it was made (`scrypt$14$8$5$salt$hash`), so that later versions may make stronger ones.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import anyio
import anyio.to_thread

from engine.ids import random_salt

LOG_N, R, P = 14, 8, 5
LONGEST = 256
SHORTEST = 8
# Each needs 16 MiB and a tenth of a second of a processor; a crowd that signs in must not take all of them.
AT_ONCE = 2


def weakness(password: str) -> str | None:
    """What a password lacks, as a sentence; None for a good one."""
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters"
    kinds = (str.isupper, str.islower, str.isdigit)
    if len(password) < SHORTEST or not all(any(map(kind, password)) for kind in kinds):
        return "The password must have 8 chars, one upper, one lower and one number"
    return None


class Passwords:
    """Makes and compares hashes, in threads."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """A hash with a salt of its own."""
        return await self._made(password, (LOG_N, R, P), random_salt())

    async def matches(self, password: str, stored: str) -> bool:
        """Whether a password is the one of a hash. For an empty hash it is not, and that takes as long to say."""
        if not stored:
            await self.hashed(password)
            return False
        _, log_n, r, p, salt, _ = stored.split("$")
        made = await self._made(password, (int(log_n), int(r), int(p)), b64decode(salt))
        return hmac.compare_digest(made, stored)

    async def _made(self, password: str, cost: tuple[int, int, int], salt: bytes) -> str:
        return await anyio.to_thread.run_sync(_made, password, cost, salt, limiter=self._limiter)


def _made(password: str, cost: tuple[int, int, int], salt: bytes) -> str:
    log_n, r, p = cost
    key = hashlib.scrypt(password.encode(), salt=salt, n=2**log_n, r=r, p=p, maxmem=256 * 1024 * 1024)
    return f"scrypt${log_n}${r}${p}${b64encode(salt).decode()}${b64encode(key).decode()}"
