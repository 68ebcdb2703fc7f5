"""The installed plugin types and those that only flows of the tables name."""

from __future__ import annotations

from importlib.metadata import entry_points

from engine.plugin.index import GROUP, Index

MODULES = {
    "io.kestra.core.runners": "conformance.flow_plugins.defaults",
    "io.kestra.core.runners.test": "conformance.flow_plugins.runners",
    "io.kestra.core.tasks.test": "conformance.flow_plugins.tasks",
}


def index() -> Index:
    return Index({**{point.name: point.value for point in entry_points(group=GROUP)}, **MODULES})
