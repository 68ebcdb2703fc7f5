"""Opens the client that a command means: of a server, or of a data folder."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.cli.contexts import chosen
from engine.cli.port import Client
from engine.cli.session import session
from engine.errors import Refused


@asynccontextmanager
async def client(
    data: Path | None, config: Path | None = None, server: str | None = None, flows: Path | None = None
) -> AsyncIterator[Client]:
    """What commands ask, while the block is open.

    flows: a folder whose flows are stored first; a server has its own. Raises Refused for it with a server
    """
    context = chosen(server, data)
    if context is None:
        from engine.cli.local import local_client

        async with session(data, config, flows) as engine:
            yield local_client(engine)
        return
    from engine.cli.remote import remote_client

    # All is imported; whoever follows an execution may do so for days.
    gc.enable()
    if flows is not None:
        raise Refused("--flows is for a data folder; store the flows of a server with `tidegate flow apply`")
    async with remote_client(context) as remote:
        yield remote
