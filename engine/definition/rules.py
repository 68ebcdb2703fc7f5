"""What flows are read by besides their own text: what the settings of an installation say about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.settings import PluginDefaults, Settings


class Rules(NamedTuple):
    """How an installation reads flows.

    defaults: plugin defaults of the installation
    dialects: the dialect of flows by namespace; it holds for namespaces below too
    """

    defaults: tuple[PluginDefaults, ...] = ()
    dialects: Mapping[str, int] = {}

    def dialect(self, namespace: object) -> int | None:
        """The dialect that is set for a namespace or the nearest one above it."""
        name = namespace if isinstance(namespace, str) else ""
        while name:
            if name in self.dialects:
                return self.dialects[name]
            name = name.rpartition(".")[0]
        return None


def rules_of(settings: Settings) -> Rules:
    """The rules that the settings make."""
    return Rules(settings.plugins.defaults, settings.dialects)


NONE = Rules()
