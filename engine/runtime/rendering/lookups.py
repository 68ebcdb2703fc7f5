"""Answers to what templates ask for that isn't in memory: secrets, files, large outputs, log lines, HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import NotFound, Refused, StorageError
from engine.expressions.needs import Missing, Need
from engine.runtime.keeping.keys import Keys, stored
from engine.runtime.keeping.secrets import Secrets
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.http_lookup import ask
from engine.runtime.rendering.sources import Sources
from engine.state.execution import Execution
from engine.store.protocols import LogStore

if TYPE_CHECKING:
    from engine.runtime.actions.calls import Calls

LookUp = Callable[[Need], Awaitable[Any]]


class LookUps:
    """The look-ups of a process. A failed one answers with `Missing` and the reason."""

    def __init__(self, sources: Sources, logs: LogStore, vault: Vault, keys: Keys, secrets: Secrets) -> None:
        self.sources = sources
        self.logs = logs
        self.vault = vault
        self.keys = keys
        self.secrets = secrets
        self.calls: Calls | None = None

    def for_execution(self, execution: Execution, variables: Mapping[str, Any]) -> LookUp:
        """Look-ups with the rights of an execution."""
        return _ExecutionLookUps(self, execution, variables)


class _ExecutionLookUps:
    def __init__(self, all: LookUps, execution: Execution, variables: Mapping[str, Any]) -> None:
        self._sources = all.sources
        self._logs = all.logs
        self._vault = all.vault
        self._keys = all.keys
        self._secrets = all.secrets
        self._calls = all.calls
        self._execution = execution
        self._variables = variables

    async def __call__(self, need: Need) -> Any:
        answer = getattr(self, f"_{need.kind}", None)
        if answer is None:
            return Missing(f"{need.kind}() is not available here")
        try:
            return await answer(*need.arguments)
        except (NotFound, Refused, StorageError) as error:
            return Missing(str(error))

    async def _sealed(self, value: str, json: bool) -> Any:
        return self._vault.open(value, json)

    async def _secret(self, key: str, namespace: str | None = None) -> Any:
        found = await self._secrets.find(namespace or self._execution.namespace, key)
        return Missing(f"Cannot find secret for key '{key}'.") if found is None else found

    async def _kv(self, key: str, namespace: str | None, error_on_missing: bool) -> Any:
        own = self._execution.namespace
        try:
            if namespace is None:
                entry = await self._keys.nearest(own, key)
            else:
                await self._keys.check_namespace(namespace, own)
                entry = await self._keys.get(namespace, key)
        except Refused as error:
            return Missing(str(error)) if error_on_missing else None
        if entry is not None:
            return stored(entry)
        text = f"The key '{key}' does not exist in the namespace '{namespace or own}'."
        return Missing(text) if error_on_missing else None

    async def _output(self, address: str) -> Any:
        return msgspec.json.decode(await self._bytes(address))

    async def _read(self, path: str, namespace: str | None = None, version: int | None = None) -> Any:
        address = self._named(path, namespace)
        if version is not None:
            address = await self._sources.revision(address, namespace or self._execution.namespace, version)
        try:
            return (await self._bytes(address)).decode()
        except UnicodeDecodeError:
            return Missing(f"Unable to read the file '{path}': it is not text")

    async def _file_size(self, path: str, namespace: str | None = None) -> Any:
        return await self._sources.size(self._named(path, namespace), self._execution.namespace)

    async def _file_exists(self, path: str, namespace: str | None = None) -> Any:
        try:
            await self._sources.size(self._named(path, namespace), self._execution.namespace)
        except NotFound:
            return False
        return True

    async def _http(self, *request: Any) -> Any:
        return await ask(*request)

    async def _subflow(self, *asked: Any) -> Any:
        if self._calls is None:
            return Missing("subflow() is not available here")
        return await self._calls.run(self._execution, asked)

    async def _error_logs(self) -> Any:
        lines = await self._logs.lines(self._execution.home, levels=("ERROR",))
        return [{"taskId": line.task, "message": line.message, "level": line.level} for _, line in lines]

    def _named(self, path: str, namespace: str | None) -> str:
        """The URI of a file. Of internal storage the files of all executions may be read."""
        return self._sources.named(path, namespace or self._execution.namespace)

    async def _bytes(self, uri: str) -> bytes:
        return b"".join([chunk async for chunk in self._sources.read(uri, self._execution.namespace)])
