"""The execution that a request is about, once it is known that whoever asks may see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.api.problems import Denied
from engine.api.routing import Call
from engine.definition.inputs import Upload
from engine.errors import StorageError
from engine.files.addresses import SCHEME, parts_of
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution
from engine.state.record import Record
from engine.state.user import Role


def id_of(call: Call) -> ExecutionId:
    return ExecutionId(call.path["execution"])


async def head_of(call: Call, engine: Engine, role: Role = Role.VIEWER) -> Execution:
    """The execution of the path, without its task runs. Raises NotFound, Denied without the role in its namespace."""
    execution, _ = await engine.store.executions.head(id_of(call))
    call.require(role, execution.namespace)
    return execution


async def record_of(call: Call, engine: Engine, role: Role = Role.VIEWER) -> Record:
    """The execution of the path with its task runs. Raises NotFound, Denied without the role in its namespace."""
    record = (await engine.store.executions.load(id_of(call))).record
    call.require(role, record.execution.namespace)
    return record


def check_files(call: Call, inputs: Mapping[str, str]) -> None:
    """Raises Denied where an input names a file of a namespace that whoever asks may not look at."""
    named = [text for text in inputs.values() if not isinstance(text, Upload) and text.startswith(SCHEME)]
    if call.namespaces is None or not named:
        return
    folders = [tuple(namespace.split(".")) for namespace in call.namespaces]
    for text in named:
        if not is_within(text, folders):
            raise Denied(f"{call.user.name} may not look at the file {text}")


def is_within(address: str, folders: Iterable[tuple[str, ...]]) -> bool:
    """Whether an address lies in one of these folders of internal storage; False for what is no address."""
    try:
        parts = parts_of(address)
    except StorageError:
        return False
    return any(parts[: len(folder)] == folder for folder in folders)
