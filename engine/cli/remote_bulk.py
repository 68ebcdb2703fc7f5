"""What is done to many executions of a server, one after another; each that does not fit is told of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import TidegateError
from engine.ids import ExecutionId
from engine.state.execution import Execution
from engine.state.status import TERMINAL, Status
from engine.store.rows import ExecutionFilter

if TYPE_CHECKING:
    from engine.cli.http import Http
    from engine.cli.remote import RemoteActions, RemoteExecutions
    from engine.runtime.actions.bulk import Outcome, Which

PAGE = 500
ALIVE = tuple(status for status in Status if status not in TERMINAL)
ENDED = tuple(TERMINAL)
Act = Callable[[ExecutionId], Awaitable[Any]]


class RemoteBulk:
    """The operations of `engine.runtime.actions.bulk.Bulk` on a server's executions."""

    def __init__(self, http: Http, executions: RemoteExecutions, actions: RemoteActions, trial: bool = False) -> None:
        self._http = http
        self._executions = executions
        self._actions = actions
        self._trial = trial

    def trial(self) -> RemoteBulk:
        return RemoteBulk(self._http, self._executions, self._actions, trial=True)

    async def kill(self, which: Which, *, cascade: bool = True) -> Outcome:
        return await self._each(which, ALIVE, partial(self._actions.kill, cascade=cascade))

    async def pause(self, which: Which) -> Outcome:
        return await self._each(which, (Status.RUNNING,), self._actions.pause)

    async def resume(self, which: Which) -> Outcome:
        return await self._each(which, (Status.PAUSED,), self._actions.resume)

    async def unqueue(self, which: Which, state: Status = Status.RUNNING) -> Outcome:
        return await self._each(which, (Status.QUEUED,), partial(self._act, "unqueue", state=state.value))

    async def force_run(self, which: Which) -> Outcome:
        return await self._each(which, ALIVE, partial(self._act, "force-run"))

    async def restart(self, which: Which, revision: int | None = None) -> Outcome:
        states = (Status.FAILED, Status.KILLED, Status.CANCELLED)
        return await self._each(which, states, partial(self._actions.restart, revision=revision))

    async def replay(self, which: Which, latest: bool = False) -> Outcome:
        async def act(id: ExecutionId) -> Execution:
            revision = None
            if latest:
                execution = (await self._executions.record(id)).execution
                path = f"/main/flows/{execution.namespace}/{execution.flow}"
                revision = (await self._http.ask("GET", path, dict[str, Any]))["revision"]
            return await self._actions.replay(id, revision=revision)

        return await self._each(which, (), act)

    async def set_status(self, which: Which, state: Status) -> Outcome:
        return await self._each(which, ENDED, partial(self._act, "change-status", status=state.value))

    async def set_labels(self, which: Which, labels: Mapping[str, str], remove: Sequence[str] = ()) -> Outcome:
        async def act(id: ExecutionId) -> None:
            held = (await self._executions.record(id)).execution.labels
            wanted = {label.key: label.value for label in held if label.key not in remove} | dict(labels)
            body = [{"key": key, "value": value} for key, value in wanted.items()]
            await self._http.do("POST", f"/main/executions/{id}/actions/labels", json=body)

        return await self._each(which, ENDED, act)

    async def delete(self, which: Which, *, logs: bool = True, metrics: bool = True, files: bool = True) -> Outcome:
        parts = {"deleteLogs": logs, "deleteMetrics": metrics, "deleteStorage": files}
        query = {name: str(value).lower() for name, value in parts.items()}

        async def act(id: ExecutionId) -> None:
            await self._http.do("DELETE", f"/main/executions/{id}", query=query)

        return await self._each(which, ENDED, act)

    async def _act(self, action: str, id: ExecutionId, **query: str) -> None:
        await self._http.do("POST", f"/main/executions/{id}/actions/{action}", query=query)

    async def _each(self, which: Which, states: Sequence[Status], act: Act) -> Outcome:
        from engine.runtime.actions.bulk import Outcome

        done: list[ExecutionId] = []
        refused: dict[ExecutionId, str] = {}
        started: list[ExecutionId] = []
        for id in await self._chosen(which, tuple(states)):
            try:
                made = None if self._trial else await act(id)
            except TidegateError as error:
                refused[id] = str(error)
                continue
            done.append(id)
            if isinstance(made, Execution) and made.id != id:
                started.append(made.id)
        return Outcome(tuple(done), refused, tuple(started))

    async def _chosen(self, which: Which, states: tuple[Status, ...]) -> Sequence[ExecutionId]:
        """All of them, before anything is done to the first: what is done changes what a filter selects."""
        if not isinstance(which, ExecutionFilter):
            return list(dict.fromkeys(which))
        where = msgspec.structs.replace(which, states=which.states or states, limit=PAGE, offset=0)
        found: dict[ExecutionId, None] = {}
        while True:
            page = await self._executions.list(where)
            found |= {execution.id: None for execution in page}
            if len(page) < PAGE:
                return list(found)
            where = msgspec.structs.replace(where, offset=where.offset + PAGE)
