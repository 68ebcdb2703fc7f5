"""A server with a user, and `kestrapy`, the client library of the language, for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from kestrapy import KestraClient

from engine.api.server import serving
from engine.runtime.engine import open_engine
from engine.settings import Server, Settings
from engine.state.user import EVERYWHERE, Role
from support.signing_in import PASSWORD, ROOT

TENANT = "main"
SECONDS = 30.0


@contextmanager
def kestra_client(folder: Path) -> Iterator[KestraClient]:
    """A client of a server over a folder, which runs in a thread of its own while the block is open."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_server(folder)) as url:
        client = KestraClient(host=url, username=ROOT, password=PASSWORD, timeout=SECONDS)
        yield client
        client._session.close()


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[str]:
    async with open_engine(folder, Settings()) as engine:
        await engine.users.add(ROOT, PASSWORD, {EVERYWHERE: Role.ADMIN})
        async with serving(engine, Server(port=0, shutdown_seconds=1.0)) as url:
            yield url
