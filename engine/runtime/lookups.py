"""Answers to what templates ask for that isn't in memory: secrets, files, large outputs, log lines, HTTP."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from engine.errors import NotFound, Refused, StorageError
from engine.expressions.needs import Missing, Need
from engine.files.protocol import InternalStorage
from engine.runtime.http_lookup import ask
from engine.runtime.vault import Vault
from engine.state.execution import Execution
from engine.store.protocols import LogStore

LookUp = Callable[[Need], Awaitable[Any]]
SECRET_PREFIX = "SECRET_"  # noqa: S105


class LookUps:
    """The look-ups of a process. A failed one answers with `Missing` and the reason."""

    def __init__(self, files: InternalStorage, logs: LogStore, vault: Vault) -> None:
        self._files = files
        self._logs = logs
        self._vault = vault

    def for_execution(self, execution: Execution, variables: Mapping[str, Any]) -> LookUp:
        """Look-ups with the rights of an execution."""
        return _ExecutionLookUps(self._files, self._logs, self._vault, execution, variables)


class _ExecutionLookUps:
    def __init__(
        self, files: InternalStorage, logs: LogStore, vault: Vault, execution: Execution, variables: Mapping[str, Any]
    ) -> None:
        self._files = files
        self._logs = logs
        self._vault = vault
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

    async def _secret(self, key: str, *_: Any) -> Any:
        text = os.environ.get(f"{SECRET_PREFIX}{key.upper()}")
        if text is None:
            return Missing(f"Cannot find secret for key '{key}'.")
        try:
            return base64.b64decode(text, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError):
            return Missing(f"The secret '{key}' is not base64 text: SECRET_{key.upper()} must hold base64")

    async def _output(self, address: str) -> Any:
        return msgspec.json.decode(await self._bytes(address))

    async def _read(self, path: str, *_: Any) -> Any:
        refused = self._foreign(path)
        if refused:
            return Missing(refused)
        try:
            return (await self._bytes(path)).decode()
        except UnicodeDecodeError:
            return Missing(f"Unable to read the file '{path}': it is not text")

    async def _file_size(self, path: str, *_: Any) -> Any:
        refused = self._foreign(path)
        return Missing(refused) if refused else (await self._files.stat(path)).size

    async def _file_exists(self, path: str, *_: Any) -> Any:
        try:
            await self._files.stat(path)
        except NotFound:
            return False
        return True

    async def _http(self, *request: Any) -> Any:
        return await ask(*request)

    async def _error_logs(self) -> Any:
        lines = await self._logs.lines(self._execution.id, levels=("ERROR",))
        return [{"taskId": line.task, "message": line.message, "level": line.level} for _, line in lines]

    def _foreign(self, path: str) -> str:
        """Why the execution may not read a file; empty when it may. Files of all executions may be read."""
        if path.startswith("kestra://"):
            return ""
        return f"Unable to read the file '{path}': only files of internal storage can be read here (kestra:///…)"

    async def _bytes(self, address: str) -> bytes:
        return b"".join([chunk async for chunk in self._files.read(address)])
