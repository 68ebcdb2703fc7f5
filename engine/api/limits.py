"""How often somebody may ask, and how often he may be wrong about a password.

Counted in this process and forgotten with it: what they hold off are floods and guessing, not what happens in a year.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from engine.api.problems import TooMany
from engine.clock import monotonic
from engine.settings import Limits as Options

# Of so many users and addresses the state is kept; the ones unseen longest are forgotten first.
AT_MOST = 10_000
# An address may be that of many people behind a proxy.
ADDRESS_FACTOR = 10


class Bucket(NamedTuple):
    tokens: float
    at: float


class Buckets:
    """A token bucket for each key: `burst` requests at once, `rate` of them come back in a second."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = max(1, burst)
        self._kept: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str) -> None:
        """Count a request. Raises TooMany where there were too many."""
        if self._rate <= 0:
            return
        now = monotonic()
        old = self._kept.pop(key, None) or Bucket(self._burst, now)
        tokens = min(self._burst, old.tokens + (now - old.at) * self._rate)
        self._kept[key] = Bucket(tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._kept) > AT_MOST:
            self._kept.popitem(last=False)
        if tokens < 1:
            raise TooMany("too many requests", (1 - tokens) / self._rate)


class Misses(NamedTuple):
    number: int
    last: float


class Lockout:
    """Nobody tries passwords at will: after some failures a user can't sign in from that address for a time.

    Names that are nobody's are locked in the same way, lest that tell which are somebody's.
    """

    def __init__(self, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._kept: OrderedDict[str, Misses] = OrderedDict()

    def check(self, user: str, address: str) -> None:
        """Raises TooMany where there were too many failures."""
        now = monotonic()
        for key, most in self._places(user, address):
            misses = self._misses(key, now)
            if misses.number >= most:
                raise TooMany("too many wrong passwords", misses.last + self._seconds - now)

    def attempt(self, user: str, address: str) -> None:
        """Count an attempt as failed, until `succeeded` takes it back. Raises TooMany."""
        self.check(user, address)
        now = monotonic()
        for key, _ in self._places(user, address):
            self._kept[key] = Misses(self._misses(key, now).number + 1, now)
            self._kept.move_to_end(key)
        while len(self._kept) > AT_MOST:
            self._kept.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """The password was right: the user's failures there are forgotten, those of others are not."""
        for key, _ in self._places(user, address):
            if key != address:
                self._kept.pop(key, None)
            elif (misses := self._kept.get(key)) is not None:
                self._kept[key] = Misses(max(0, misses.number - 1), misses.last)

    def _places(self, user: str, address: str) -> Sequence[tuple[str, int]]:
        if self._failures <= 0:
            return ()
        # A name is as long as its sender likes.
        return (f"{address} {user[:256]}", self._failures), (address, self._failures * ADDRESS_FACTOR)

    def _misses(self, key: str, now: float) -> Misses:
        misses = self._kept.get(key)
        return misses if misses is not None and misses.last + self._seconds > now else Misses(0, now)


class Limits:
    """All limits of a server."""

    def __init__(self, options: Options) -> None:
        self.requests = Buckets(options.requests_per_second, options.burst)
        self.strangers = Buckets(options.unknown_per_second, math.ceil(options.unknown_per_second * 10))
        self.lockout = Lockout(options.failures, options.lockout_seconds)
