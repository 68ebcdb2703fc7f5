"""What flows are read by besides their own text: what the settings of an installation say about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.settings import PluginDefaults, Settings

TemplateId = tuple[str, str]
"""Namespace and id of a template."""


class Rules(NamedTuple):
    """How an installation reads flows.

    defaults: plugin defaults of the installation
    dialects: the dialect of flows by namespace; it holds for namespaces below too
    templates_enabled: whether flows may name templates
    templates: those to put into a flow by name, None for what isn't there; where None itself, nothing is put anywhere
    """

    defaults: tuple[PluginDefaults, ...] = ()
    dialects: Mapping[str, int] = {}
    templates_enabled: bool = False
    templates: Mapping[TemplateId, Mapping[str, Any] | None] | None = None

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
    return Rules(settings.plugins.defaults, settings.dialects, settings.templates.enabled)


NONE = Rules()
