"""What runs beside a server's engine and is installed with it, such as the host of triggers.

Services are found by entry points of the group `tidegate.services`: each is a function that takes the engine and
returns an async context manager, inside of which the service runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points

from engine.runtime.engine import Engine

GROUP = "tidegate.services"


@asynccontextmanager
async def serving_services(engine: Engine) -> AsyncIterator[None]:
    """Run every installed service while the block is open."""
    async with AsyncExitStack() as stack:
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            await stack.enter_async_context(point.load()(engine))
        yield
