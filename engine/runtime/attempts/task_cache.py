"""Outputs of an equal earlier run of a task, used in the place of another run.

Equal is: the type and its version, the flow and the task, the rendered properties, and the content of the files that
they name. Where one of these can't be known before the task runs, it runs.
"""

from __future__ import annotations

import hashlib
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import TYPE_CHECKING, Any

import msgspec

from engine.durations import parse_duration
from engine.errors import ExpressionError, NotFound, Refused, StorageError, TaskError
from engine.executor.plan import Cache
from engine.files.addresses import SCHEME
from engine.plugin.base import Task
from engine.plugin.fields import unrendered
from engine.runtime.attempts.context import TaskContext
from engine.runtime.attempts.folder import URI
from engine.runtime.attempts.shared import Services

if TYPE_CHECKING:
    from engine.runtime.attempts.attempt import Assignment

STORED = re.compile(rf"{SCHEME}/[^\s'\"<>()\[\]{{}},;`|\\]+")
# What templates see that a task renders itself, in the place of what will be there then.
PLACEHOLDERS = ("workingDir", "outputDir", "dbFilePath")


class Slot:
    """Where the outputs of one task run belong that has `taskCache`."""

    def __init__(self, services: Services, key: str, ttl: int | None) -> None:
        self._services = services
        self._key = key
        self._ttl = ttl

    async def get(self) -> dict[str, Any] | None:
        """Outputs of an equal run, unless they are too old or name files that are gone."""
        text = await self._services.cached.get(self._key, self._services.clock.now())
        if text is None:
            return None
        try:
            for address in dict.fromkeys(STORED.findall(text)):
                await self._services.files.stat(address)
        except (NotFound, StorageError):
            return None
        outputs: dict[str, Any] = msgspec.json.decode(text)
        return outputs

    async def put(self, outputs: dict[str, Any] | None) -> None:
        """Keep outputs for runs to come."""
        now = self._services.clock.now()
        expires = None if self._ttl is None else now + self._ttl
        await self._services.cached.put(self._key, msgspec.json.encode(outputs or {}).decode(), now, expires)


async def find_slot(services: Services, work: Assignment, ctx: TaskContext, task: Task, wanted: Cache) -> Slot | None:
    """The slot of a task run; None, and a log line, where something that it depends on isn't known beforehand.

    Raises TaskError for a lifetime that is none.
    """
    ttl = await _lifetime(wanted, ctx)
    try:
        properties = await _properties(task, ctx)
        text = msgspec.json.encode(properties, order="sorted").decode()
        hashes = {uri: await _hash(services, uri, work.execution.namespace) for uri in dict.fromkeys(URI.findall(text))}
        more = await _namespace_files(services, properties.get("namespaceFiles"), work.execution.namespace)
    except (ExpressionError, NotFound, Refused, StorageError) as error:
        ctx.log(f"taskCache: the task runs, for what it depends on can't be known before ({ctx.masked(str(error))})")
        return None
    parts = (
        work.type,
        _version(type(task)),
        work.execution.tenant,
        work.execution.namespace,
        work.execution.flow,
        work.run.node,
        # A file is known by its name and content: where it lies differs from run to run.
        URI.sub(lambda found: hashes[found[0]], text),
        more,
    )
    return Slot(services, hashlib.sha256(msgspec.json.encode(parts)).hexdigest(), ttl)


async def _lifetime(wanted: Cache, ctx: TaskContext) -> int | None:
    if wanted.ttl is None:
        return None
    try:
        return parse_duration(str(await ctx.render(wanted.ttl)))
    except (ExpressionError, ValueError) as error:
        raise TaskError(f"taskCache.ttl: {error}") from None


async def _properties(task: Task, ctx: TaskContext) -> dict[str, Any]:
    """All properties, also those that the task renders itself."""
    properties = task.model_dump(mode="json", by_alias=True)
    names = [name for name in properties.get("outputFiles") or () if isinstance(name, str)]
    variables = {**{name: f"<{name}>" for name in PLACEHOLDERS}, "outputFiles": {name: name for name in names}}
    own = unrendered(type(task))
    return {name: await ctx.render(it, variables) if name in own else it for name, it in properties.items()}


async def _hash(services: Services, uri: str, namespace: str) -> str:
    content = hashlib.sha256()
    async for chunk in services.sources.read(uri, namespace):
        content.update(chunk)
    return f"{uri.rpartition('/')[2]}:{content.hexdigest()}"


async def _namespace_files(services: Services, wanted: Any, namespace: str) -> list[str]:
    """Name and content of the files that `namespaceFiles` brings."""
    if not isinstance(wanted, dict) or not wanted.get("enabled", True):
        return []
    found = []
    for of in wanted.get("namespaces") or [namespace]:
        files = await services.namespaces.list(of, wanted.get("include"), wanted.get("exclude") or ())
        found += [f"{path} {await _hash(services, info.address, of)}" for path, info in files.items()]
    return found


@cache
def _version(plugin: type[Task]) -> str:
    """Version of the distribution that has a plugin."""
    package = plugin.__module__.partition(".")[0]
    try:
        names = packages_distributions().get(package)
        return version(names[0]) if names else str(getattr(sys.modules[package], "__version__", ""))
    except PackageNotFoundError:
        return ""
