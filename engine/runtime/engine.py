"""The engine of one process over one data folder: its services, started and stopped together."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio

from engine.clock import Clock, SystemClock
from engine.definition.rules import rules_of
from engine.files.disk import DiskStorage
from engine.files.local import LocalFiles
from engine.files.protocol import InternalStorage
from engine.plugin.index import Index, installed
from engine.runtime.accounts.audit import Audit
from engine.runtime.accounts.tokens import Tokens
from engine.runtime.accounts.users import Users
from engine.runtime.actions.bulk import Bulk
from engine.runtime.actions.calls import Calls
from engine.runtime.actions.children import Children
from engine.runtime.actions.control import Control
from engine.runtime.actions.flow_changes import FlowChanges
from engine.runtime.actions.following import Following
from engine.runtime.actions.graphs import Graphs
from engine.runtime.actions.inputs import Inputs
from engine.runtime.actions.operations import Operations
from engine.runtime.actions.subflows import Subflows
from engine.runtime.attempts.shared import Services
from engine.runtime.attempts.stored import StoredExecutions, StoredLogs
from engine.runtime.attempts.worker import Worker
from engine.runtime.driving.driver import Driver
from engine.runtime.driving.evaluate import Evaluator
from engine.runtime.driving.gathering import Gathering
from engine.runtime.driving.items import Items
from engine.runtime.driving.nodes import Node, Nodes
from engine.runtime.driving.reach import Reach
from engine.runtime.driving.skips import Skips
from engine.runtime.driving.slots import Slots
from engine.runtime.driving.timers import Timers
from engine.runtime.flow_testing.mocks import Mocks
from engine.runtime.flows.dependencies import Dependencies
from engine.runtime.flows.flow_list import FlowList
from engine.runtime.flows.plans import Plans
from engine.runtime.flows.templates import Templates
from engine.runtime.flows.triggers import Triggers
from engine.runtime.keeping.keys import Keys
from engine.runtime.keeping.logs import LogPump
from engine.runtime.keeping.namespace_tree import NamespaceTree
from engine.runtime.keeping.namespaces import NamespaceFiles
from engine.runtime.keeping.revisions import Revisions
from engine.runtime.keeping.secrets import Secrets
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.sources import Sources
from engine.runtime.scripts.environments import Environments
from engine.runtime.scripts.interpreters import Interpreters
from engine.runtime.triggering.backfills import Backfills
from engine.runtime.triggering.firing import Firing
from engine.runtime.triggering.polling import Polls
from engine.runtime.triggering.webhooks import Webhooks
from engine.runtime.upkeep.health import Health
from engine.runtime.upkeep.housekeeping import Housekeeping
from engine.runtime.upkeep.measures import Measures
from engine.runtime.upkeep.retention import Retention
from engine.settings import Settings
from engine.store.open import open_store
from engine.store.protocols import Store

RARELY = (20_000, 50, 100)


class Engine(NamedTuple):
    """A running engine."""

    control: Control
    driver: Driver
    store: Store
    files: InternalStorage
    logs: LogPump
    plans: Plans
    nodes: Nodes
    renderer: Renderer
    node: Node
    keys: Keys
    secrets: Secrets
    namespaces: NamespaceFiles
    vault: Vault
    slots: Slots
    templates: Templates
    bulk: Bulk
    tree: NamespaceTree
    flows: FlowChanges
    users: Users
    tokens: Tokens
    audit: Audit
    measures: Measures
    worker: Worker
    health: Health
    flow_list: FlowList
    triggers: Triggers
    backfills: Backfills
    firing: Firing
    webhooks: Webhooks
    polls: Polls
    clock: Clock
    graphs: Graphs
    following: Following
    dependencies: Dependencies
    plugins: Index


@asynccontextmanager
async def open_engine(
    folder: Path,
    settings: Settings,
    *,
    clock: Clock | None = None,
    index: Index | None = None,
    recovers: bool = False,
    mocks: Mocks | None = None,
) -> AsyncIterator[Engine]:
    """Run an engine over `folder` while the block is open.

    mocks: what stands in the place of tasks
    recovers: also take up what processes that died left behind; else only `engine.nodes.recover()` does
    """
    _collect_rarely()
    clock = clock or SystemClock()
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        node = Node(folder / "nodes")
        node.lock()
        stack.callback(node.unlock)
        measures = Measures(settings.observe.metrics_prefix)
        store = await stack.enter_async_context(open_store(folder, settings, measures.committed))
        engine = await _assemble(
            folder, settings, clock, index or installed(), node, store, stack, recovers, mocks, measures
        )
        yield engine


def _collect_rarely() -> None:
    """Let the garbage collector look less often: records, events and tasks make few circles and many objects.

    Measured: a fifth of the time of a small execution.
    """
    if gc.get_threshold() != RARELY:
        gc.freeze()
        gc.set_threshold(*RARELY)
    gc.enable()


async def _assemble(
    folder: Path,
    settings: Settings,
    clock: Clock,
    index: Index,
    node: Node,
    store: Store,
    stack: AsyncExitStack,
    recovers: bool,
    mocks: Mocks | None,
    measures: Measures,
) -> Engine:
    files = DiskStorage(folder / "files")
    logs = LogPump(store.logs, clock)
    renderer = await stack.enter_async_context(Renderer(settings.expressions))
    vault = Vault(folder / "key")
    keys = Keys(store.kv, store.flows, files, vault, clock, settings.namespaces.key_revisions)
    secrets = Secrets(store.secrets, vault, clock)
    namespaces = NamespaceFiles(files, store.flows, Revisions(files, settings.namespaces.file_revisions))
    local = LocalFiles(settings.files.allowed if settings.files.in_templates else ())
    look_ups = LookUps(Sources(files, local), store.logs, vault, keys, secrets)
    environments = Environments(folder / "environments", settings)
    interpreters = await stack.enter_async_context(Interpreters(environments, settings))
    executions = StoredExecutions(store, files, logs)
    triggers = Triggers(store, clock)
    services = Services(
        settings=settings,
        clock=clock,
        files=files,
        logs=logs,
        renderer=renderer,
        look_ups=look_ups,
        vault=vault,
        cached=store.cached,
        keys=keys,
        namespaces=namespaces,
        environments=environments,
        interpreters=interpreters,
        executions=executions,
        stored_logs=StoredLogs(store, logs),
        triggers=triggers,
        measures=measures,
        work_folder=folder / "work" / node.id,
        stack=stack,
    )
    stand_in = mocks.stand_in if mocks else None
    templates = Templates(files, index)
    plans = Plans(
        store.flows, index, settings.variables.globals, stand_in, rules_of(settings), templates, settings.loops.at_once
    )
    worker = Worker(services, clock, settings.worker.concurrency)
    items = Items(look_ups.sources)
    evaluator = Evaluator(
        renderer, look_ups, vault, logs, clock, items, Gathering(store.executions, files, settings.outputs.inline_bytes)
    )
    skips = Skips(settings.skip)
    driver = Driver(
        owner=node.id,
        store=store,
        plans=plans,
        worker=worker,
        evaluator=evaluator,
        items=items,
        logs=logs,
        clock=clock,
        skips=skips,
    )
    worker.post = driver.post
    worker.deliver = driver.deliver
    services.report = driver.submit
    timers = Timers(store.timers, driver, clock, node.id)
    driver.dispatch.on_timer = timers.hint
    nodes = Nodes(node, store, driver, clock, recovers, skips)
    housekeeping = Housekeeping(folder / "work", node, Retention(store, executions, settings, clock), clock)
    slots = Slots(store.slots, driver, nodes, clock, node.id)
    measures.watch(driver, worker, logs)
    audit = Audit(store.audit)
    for service in (
        audit.run,
        measures.run,
        housekeeping.run,
        logs.run,
        driver.run,
        worker.run,
        timers.run,
        nodes.run,
        slots.run,
    ):
        # Each in a group of its own, so that they stop in reverse order: the worker before the driver, logs last.
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        await tasks.start(service)
    reach = Reach(store, driver, nodes, node.id)
    inputs = Inputs(files, renderer, look_ups, vault, LocalFiles(settings.files.allowed))
    operations = Operations(
        store=store,
        files=files,
        logs=logs,
        plans=plans,
        driver=driver,
        reach=reach,
        inputs=inputs,
        clock=clock,
        inline_bytes=settings.outputs.inline_bytes,
    )
    control = Control(
        store=store,
        files=files,
        plans=plans,
        driver=driver,
        reach=reach,
        operations=operations,
        renderer=renderer,
        look_ups=look_ups,
        inputs=inputs,
        clock=clock,
    )
    look_ups.calls = Calls(control, settings.expressions)
    executions.on_kill = control.kill
    executions.on_resume = control.resume
    services.subflows = subflows = Subflows(store, control)
    operations.children = children = Children(
        store=store,
        subflows=subflows,
        items=items,
        renderer=renderer,
        look_ups=look_ups,
        clock=clock,
        post=driver.post,
    )
    driver.connect(subflows, children)
    users = Users(store.accounts, clock)
    flow_list = FlowList(store.flows)
    firing = Firing(control, plans, index, renderer, look_ups, clock, logs)
    return Engine(
        control=control,
        driver=driver,
        store=store,
        files=files,
        logs=logs,
        plans=plans,
        nodes=nodes,
        renderer=renderer,
        node=node,
        keys=keys,
        secrets=secrets,
        namespaces=namespaces,
        vault=vault,
        slots=slots,
        templates=templates,
        bulk=Bulk(store, control, operations, clock),
        tree=NamespaceTree(files, namespaces.revisions),
        flows=FlowChanges(store, plans, control, clock),
        users=users,
        tokens=Tokens(store.tokens, users, clock),
        audit=audit,
        measures=measures,
        worker=worker,
        health=Health(folder, store.nodes),
        flow_list=flow_list,
        triggers=triggers,
        backfills=Backfills(store.triggers, triggers, clock),
        firing=firing,
        webhooks=Webhooks(store, files, firing, clock),
        polls=Polls(store, files, firing, clock),
        clock=clock,
        graphs=Graphs(store, plans, control),
        following=Following(store, driver, logs, node.id),
        dependencies=Dependencies(flow_list, index),
        plugins=index,
    )
