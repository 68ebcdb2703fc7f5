"""The public Python client, as a user with a password and with a token."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest

from engine.api.server import serving
from engine.runtime.engine import Engine
from engine.settings import Server
from engine.state.user import Role
from support.signing_in import PASSWORD, ROOT

FLOW = "id: hello\nnamespace: shop\ntasks:\n  - {id: say, type: core.log.Log, message: hi}\n"


# The client's own models warn when they are imported.
@pytest.mark.filterwarnings("ignore:Field name")
async def test_the_client_asks_as_a_user_or_with_a_token(engine: Engine) -> None:
    from kestrapy import KestraClient
    from kestrapy.exceptions import ForbiddenException, UnauthorizedException

    await engine.users.add(ROOT, PASSWORD, {})
    await engine.users.add("ann", None, {"shop": Role.VIEWER})
    _, token = await engine.tokens.create("ann", "ci", None)
    async with serving(engine, Server(port=0, shutdown_seconds=1.0)) as url:
        by_password = KestraClient(host=url, username=ROOT, password=PASSWORD)
        by_token = KestraClient(host=url, token=token)
        nobody = KestraClient(host=url, username=ROOT, password="Wrong!1234")
        made: Any = await anyio.to_thread.run_sync(lambda: by_password.flows.create_flow("main", FLOW))
        assert made.id == "hello"
        seen: Any = await anyio.to_thread.run_sync(lambda: by_token.flows.flow("shop", "hello", "main"))
        assert seen.id == "hello"
        for client, error in ((by_token, ForbiddenException), (nobody, UnauthorizedException)):
            with pytest.raises(error):
                await anyio.to_thread.run_sync(lambda client=client: client.flows.create_flow("main", FLOW))
