"""Type name to class.

Plugins are found by entry points of the group `tidegate.plugins`; the name of an entry point is the front of the types
in that module, which is imported when one of them is first asked for.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from engine.errors import NotFound
from engine.plugin.aliases import ALIASES, OLD_NAMES
from engine.plugin.base import Plugin

GROUP = "tidegate.plugins"
FAMILY = "io.kestra.plugin."


class Index:
    """The installed plugin types."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        """`modules` maps the front of a type name (`core.log`) to the Python module or package that has its classes."""
        self._modules = dict(modules)
        self._classes: dict[str, type[Plugin]] = {}

    def canonical(self, type: str) -> str:
        """The full name of a type given by full name, short name or alias; unknown names are returned as they are."""
        name = ALIASES.get(type, type)
        front = name.removeprefix(FAMILY).rpartition(".")[0]
        return f"{FAMILY}{name.removeprefix(FAMILY)}" if front in self._modules else name

    def find(self, type: str) -> type[Plugin]:
        """The class of a type. Raises NotFound with near matches."""
        name = self.canonical(type)
        if name in self._classes:
            return self._classes[name]
        front = name.removeprefix(FAMILY).rpartition(".")[0]
        if front in self._modules:
            self._load(front)
        if name not in self._classes:
            self._load_all_aliases(name)
        if name in self._classes:
            return self._classes[name]
        raise NotFound("plugin type", type, self._hint(type))

    def exact(self, type: str) -> type[Plugin] | None:
        """The class of a type, where it is one and not the front of several; only the module it must be in is read."""
        name = self.canonical(type)
        front = name.removeprefix(FAMILY).rpartition(".")[0]
        if name not in self._classes and front in self._modules:
            self._load(front)
        return self._classes.get(name)

    def current(self, type: str) -> str:
        """What a type is called now: the type itself, short or full, unless it is an old name."""
        if type in ALIASES:
            return ALIASES[type]
        plugin = self.exact(type)
        for name, other in self._classes.items() if plugin is not None and type in plugin.aliases else ():
            if other is plugin and name not in plugin.aliases and name.removeprefix(FAMILY) not in plugin.aliases:
                return name
        return type

    def holds(self, type: str) -> bool:
        """Whether a type of this name must be among the installed ones: others of its front are."""
        return self.canonical(type).removeprefix(FAMILY).rpartition(".")[0] in self._modules

    def names(self, type: str) -> frozenset[str]:
        """Every name of a type: full, short, and the old ones, those of its class included where it was read."""
        name = self.canonical(type)
        plugin = self.exact(name)
        same = {type, name, *OLD_NAMES.get(name, ())}
        if plugin is not None:
            same.update(plugin.aliases)
        if plugin is not None and name in plugin.aliases:
            same.update(known for known, other in self._classes.items() if other is plugin)
        return frozenset(same | {one.removeprefix(FAMILY) for one in same})

    def all(self) -> Mapping[str, type[Plugin]]:
        """Every installed type by full name, without aliases and parts of others. Imports all plugin modules."""
        for front in self._modules:
            self._load(front)
        aliases = {alias for plugin in self._classes.values() for alias in plugin.aliases}
        aliases |= {f"{FAMILY}{alias}" for alias in aliases}
        return {
            name: self._classes[name]
            for name in sorted(self._classes)
            if name not in aliases and not self._classes[name].internal
        }

    def _load(self, front: str) -> None:
        module = importlib.import_module(self._modules[front])
        for plugin in _plugins_of(module):
            self._classes[f"{FAMILY}{front}.{plugin.__name__}"] = plugin
            for alias in plugin.aliases:
                self._classes[alias] = self._classes[self.canonical(alias)] = plugin

    def _load_all_aliases(self, name: str) -> None:
        """An alias of another family can only be found by looking at every module that isn't imported yet."""
        for front in self._modules:
            if name in self._classes:
                return
            self._load(front)

    def _hint(self, type: str) -> str:
        names = [name.removeprefix(FAMILY) for name in self.all()]
        near = difflib.get_close_matches(type.removeprefix(FAMILY), names, n=3, cutoff=0.6)
        return f"did you mean {' or '.join(near)}?" if near else "`tidegate plugin list` shows the installed types"


def _plugins_of(module: ModuleType) -> list[type[Plugin]]:
    return [
        value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and inspect.isclass(value)
        and issubclass(value, Plugin)
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
        and not inspect.isabstract(value)
    ]


@cache
def installed() -> Index:
    """The index of what is installed beside the engine."""
    return Index({point.name: point.value for point in entry_points(group=GROUP)})
