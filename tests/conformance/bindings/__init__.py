"""Cases in prose, bound by their ids to what runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from conformance.bench import Bench
from conformance.bindings import (
    api_flows,
    api_stores,
    children,
    definitions,
    engine_units,
    executions,
    files,
    flow_triggers,
    flow_windows,
    flows_of_people,
    keys,
    limits,
    schedules,
    scripts,
    skips,
    triggers,
    webhooks,
)

BINDINGS: Mapping[str, Callable[[Bench], Awaitable[list[str]]]] = {
    **api_flows.BINDINGS,
    **api_stores.BINDINGS,
    **definitions.BINDINGS,
    **children.BINDINGS,
    **engine_units.BINDINGS,
    **executions.BINDINGS,
    **files.BINDINGS,
    **flow_triggers.BINDINGS,
    **flow_windows.BINDINGS,
    **flows_of_people.BINDINGS,
    **keys.BINDINGS,
    **limits.BINDINGS,
    **schedules.BINDINGS,
    **scripts.BINDINGS,
    **skips.BINDINGS,
    **triggers.BINDINGS,
    **webhooks.BINDINGS,
}
