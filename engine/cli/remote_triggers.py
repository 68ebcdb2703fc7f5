"""Triggers of a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from engine.api.trigger_shapes import TriggerItem, TriggerStateShape
from engine.cli.http import Http
from engine.cli.remote_values import pages
from engine.clock import to_millis
from engine.ids import ExecutionId
from engine.state.trigger import Backfill, TriggerState


class RemoteTriggers:
    """Triggers of a server, and what is remembered of them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, namespace: str | None = None, flow: str | None = None) -> Sequence[TriggerState]:
        asked = {"filters[namespace][EQUALS]": namespace, "filters[flowId][EQUALS]": flow}
        query = {name: value for name, value in asked.items() if value is not None}
        items = msgspec.convert(await pages(self._http, "/main/triggers/search", query), list[TriggerItem])
        found = [_state(item.state, str(item.trigger.get("type", ""))) for item in items]
        return sorted(found, key=lambda state: state.key)

    async def set_disabled(
        self, namespace: str, flow: str, id: str, disabled: bool, recover: str = "NONE"
    ) -> TriggerState:
        body: dict[str, Any] = {"namespace": namespace, "flowId": flow, "triggerId": id, "disabled": disabled}
        path = "/main/triggers/set-disabled"
        await self._http.do("PUT", path, json=body | {"recoverMissedSchedules": recover})
        return next(state for state in await self.list(namespace, flow) if state.id == id)


def _state(shape: TriggerStateShape, type: str) -> TriggerState:
    backfill = shape.backfill
    return TriggerState(
        namespace=shape.namespace,
        flow=shape.flow_id,
        id=shape.trigger_id,
        type=type,
        fingerprint="",
        disabled=shape.disabled,
        date=_millis(shape.date),
        next=_millis(shape.next_execution_date),
        execution=ExecutionId(shape.execution_id) if shape.execution_id else None,
        evaluated=_millis(shape.evaluated_at),
        fired=_millis(shape.last_triggered_date),
        failures=shape.failures or 0,
        error=shape.error,
        backfill=None
        if backfill is None
        else Backfill(
            start=_millis(backfill.start) or 0,
            end=_millis(backfill.end) or 0,
            current=_millis(backfill.current_date) or 0,
            paused=backfill.paused,
        ),
        updated=_millis(shape.updated_date) or 0,
    )


def _millis(text: str | None) -> int | None:
    return None if text is None else to_millis(datetime.fromisoformat(text))
