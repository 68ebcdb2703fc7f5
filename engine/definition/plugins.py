"""Finds the class that a flow names by `type`."""

from __future__ import annotations

from engine.definition.collect import Collector
from engine.definition.diagnostic import Path
from engine.errors import NotFound
from engine.plugin.base import Plugin
from engine.plugin.index import Index


def find_plugin(index: Index, name: str, place: Path, collector: Collector, *, required: bool) -> type[Plugin] | None:
    """The class of a type, or None; that it isn't installed is reported where it is required."""
    try:
        return index.find(name)
    except NotFound as error:
        if required:
            collector.error(place, f"Invalid type: {name}, {error.hint}", "unknown-type")
    except Exception as error:
        # The module of a plugin may fail in any way while it is imported.
        collector.error(place, f"the plugin {name} can't be loaded: {error}", "broken-plugin")
    return None
