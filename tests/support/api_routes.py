"""Every route of the API."""

from __future__ import annotations

from engine.api.access import Access
from engine.api.limits import Limits
from engine.api.peers import Peers
from engine.api.routing import Route
from engine.api.server import resources, routes
from engine.runtime.engine import Engine
from engine.settings import Server


def all_routes(engine: Engine) -> list[Route]:
    """The routes of a server over an engine."""
    options, peers = Server(), Peers(())
    access = Access(engine.users, engine.tokens, Limits(options.limits), peers, options)
    return routes(resources(engine, access, peers, options))
