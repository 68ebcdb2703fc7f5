"""The HTTP server of a process: its application, and how it begins and ends."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from engine.api.access import Access, asking
from engine.api.audit import AuditLogs, auditing
from engine.api.concurrency import ConcurrencyLimits
from engine.api.documentation import Documentation
from engine.api.executable_flows import ExecutableFlows
from engine.api.execution_actions import ExecutionActions
from engine.api.execution_files import ExecutionFiles
from engine.api.execution_lists import ExecutionLists
from engine.api.executions import Executions
from engine.api.executions_at_once import ExecutionsAtOnce
from engine.api.flow_expressions import FlowExpressions
from engine.api.flow_files import FlowFiles
from engine.api.flow_lists import FlowLists
from engine.api.flows import Flows
from engine.api.flows_at_once import FlowsAtOnce
from engine.api.graphs import Graphs
from engine.api.keys import Keys
from engine.api.limits import Limits
from engine.api.login import Login
from engine.api.logs import Logs
from engine.api.metrics import Metrics
from engine.api.misc import Misc
from engine.api.namespace_files import NamespaceFiles
from engine.api.namespaces import Namespaces
from engine.api.oidc import Oidc
from engine.api.oidc_provider import Provider, provider_of
from engine.api.operation import Operation
from engine.api.outputs import Outputs
from engine.api.peers import Peers
from engine.api.plugins import Plugins
from engine.api.problems import tell_problems
from engine.api.routing import Resource, Route, register
from engine.api.secrets import Secrets
from engine.api.security import Guard, check_bind
from engine.api.streams import CLOSING, Streams
from engine.api.triggers import Triggers
from engine.api.users import Users
from engine.api.validation import Validation
from engine.api.webhooks import Webhooks
from engine.clock import monotonic
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.runtime.upkeep.measures import Measures
from engine.settings import Server as Options


def resources(
    engine: Engine, access: Access, peers: Peers, options: Options, provider: Provider | None = None
) -> list[Resource]:
    """Every subject of the API."""
    parts: list[Resource] = [
        FlowLists(engine),
        FlowsAtOnce(engine),
        FlowFiles(engine),
        FlowExpressions(engine),
        Validation(engine),
        Flows(engine),
        Graphs(engine),
        Keys(engine),
        Secrets(engine),
        NamespaceFiles(engine),
        Namespaces(engine),
        Plugins(engine),
        # First those whose paths say more.
        Webhooks(engine, options.webhooks),
        ExecutionLists(engine),
        ExecutableFlows(engine),
        ExecutionsAtOnce(engine),
        ExecutionActions(engine),
        ExecutionFiles(engine),
        Streams(engine),
        Logs(engine),
        Metrics(engine),
        Outputs(engine),
        Executions(engine, options.url),
        Triggers(engine),
        ConcurrencyLimits(engine),
        Users(engine, options),
        AuditLogs(engine),
        Login(engine, access, peers, provider, options),
        *([Oidc(engine, provider, peers, options)] if provider else []),
        Misc(engine),
        Operation(engine),
        Documentation(lambda: routes(parts)),
    ]
    return parts


def routes(parts: Iterable[Resource]) -> list[Route]:
    return [route for part in parts for route in part.routes()]


def application(
    engine: Engine, access: Access, peers: Peers, options: Options, provider: Provider | None = None
) -> web.Application:
    """The application that answers the API over an engine."""
    guard = Guard(access, peers, options)
    app = web.Application(
        middlewares=[
            measured(engine.measures),
            tell_problems,
            auditing(engine.audit, peers, engine.clock),
            guard.middleware(),
            asking(access),
        ],
        client_max_size=options.body_bytes,
    )
    app.on_response_prepare.append(guard.tell_browsers)
    app[CLOSING] = anyio.Event()
    app.on_shutdown.append(_close)
    register(app, routes(resources(engine, access, peers, options, provider)))
    return app


def measured(measures: Measures) -> Middleware:
    """Measure how long answers take, by the path's pattern."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = monotonic()
        status = 500
        try:
            response = await handler(request)
            status = response.status
        finally:
            resource = request.match_info.route.resource
            uri = "NOT_FOUND" if resource is None else resource.canonical
            measures.requests.seen(monotonic() - began, request.method, uri, str(status))
        return response

    return measure


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


def _why(error: OSError) -> str:
    # Asyncio says the address again, and more than once.
    return os.strerror(error.errno).lower() if error.errno else str(error)


@asynccontextmanager
async def serving(engine: Engine, options: Options) -> AsyncIterator[str]:
    """Serve the API while the block is open; gives its base URL. Raises Refused for an address it can't listen on.

    At the end no new request is taken, and those that are being answered have some seconds to end.
    """
    async with provider_of(options.oidc) as provider:
        peers = Peers(options.proxies, options.url)
        access = Access(engine.users, engine.tokens, Limits(options.limits), peers, options, provider)
        await access.prepare()
        check_bind(options.host, authenticates=await access.has_users())
        async with _listening(application(engine, access, peers, options, provider), options) as url:
            yield url


@asynccontextmanager
async def _listening(app: web.Application, options: Options) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=options.shutdown_seconds)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port, reuse_port=options.reuse_port)
        try:
            await site.start()
        except OSError as error:
            raise Refused(
                f"The server can't listen on {options.host}:{options.port}: {_why(error)}; "
                "another one may be running, choose another port with --port"
            ) from None
        host, port = runner.addresses[0][:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()
