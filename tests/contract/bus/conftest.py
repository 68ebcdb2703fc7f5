"""The bus's adapters; every test of this folder runs with each of them."""

from __future__ import annotations

import pytest

from engine.bus.local import LocalHints, LocalQueue
from engine.bus.protocol import Hints, Queue
from engine.clock import ManualClock

LEASE_SECONDS = 30.0
HINT_LIMIT = 8


@pytest.fixture(params=["local"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(adapter: str, clock: ManualClock) -> Queue:
    """A queue whose leases last 30 seconds of `clock`."""
    queues = {"local": lambda: LocalQueue(clock, lease_seconds=LEASE_SECONDS, limit=1000)}
    return queues[adapter]()


@pytest.fixture
def hints(adapter: str) -> Hints:
    """Hints of which a reader that doesn't read keeps 8."""
    ports = {"local": lambda: LocalHints(limit=HINT_LIMIT)}
    return ports[adapter]()
