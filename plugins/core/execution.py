"""Tasks about the execution that they run in, and about others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, ExecutionChoice, Result, Status, Task, TaskError, Template
from plugins.core.moment import Moment

# A rendered condition that is one of these doesn't hold.
FALSY = ("", "false", "0", "-0")
SYSTEM = "system."


class Fail(Task):
    """Fail, always or where a condition holds."""

    outside = False

    condition: str | None = Field(
        None, description="Fail only if this renders to something else than nothing, false or 0."
    )
    error_message: str = Field("Task failure", description="What to say.")

    async def run(self, ctx: Context) -> None:
        """Fail with the message, or end well where the condition doesn't hold."""
        if self.condition is None:
            raise TaskError(self.error_message)
        if self.condition.strip() not in FALSY:
            ctx.log(self.error_message, "ERROR")
            raise TaskError("Fail on a condition")


class Exit(Task):
    """End the execution now, in a state of choice; tasks that are running are stopped."""

    outside = False

    state: Literal["SUCCESS", "WARNING", "KILLED", "FAILED", "CANCELED", "CANCELLED"] = Field(
        "SUCCESS", description="State in which the execution ends."
    )

    async def run(self, ctx: Context) -> Result:
        """Ask for the end."""
        return Result(end="CANCELLED" if self.state == "CANCELED" else self.state)


class Kill(Task):
    """Stop an execution: it ends KILLED, as do its tasks that are running."""

    execution_id: str | None = Field(None, description="Which one; by default the one that this task runs in.")
    propagate_kill: bool = Field(True, description="Whether executions that its tasks started are stopped too.")

    async def run(self, ctx: Context) -> Result | None:
        """Ask for the end, of this execution or another one."""
        if self.execution_id in (None, ctx.execution.id):
            return Result(end="KILLED", sparing=not self.propagate_kill)
        await ctx.executions.kill(self.execution_id, cascade=self.propagate_kill)
        return None


class Resume(Task):
    """Let a paused execution go on, as `tidegate execution resume` does."""

    execution_id: str | None = Field(None, description="Which one; by default the one that this task runs in.")
    namespace: str | None = Field(None, description="Namespace of its flow, with `flowId`: it must be that flow's.")
    flow_id: str | None = Field(None, description="Id of its flow, with `namespace`.")
    inputs: dict[str, Any] | None = Field(None, description="Values for the inputs that its Pause asks for.")

    async def run(self, ctx: Context) -> None:
        """Look which execution is meant, and let it go on."""
        id = self.execution_id or ctx.execution.id
        if (self.namespace is None) != (self.flow_id is None):
            raise TaskError("`namespace` and `flowId` must be set together, or neither of them")
        if self.flow_id is not None:
            found = await ctx.executions.find(id)
            if found is None or (found.namespace, found.flow) != (self.namespace, self.flow_id):
                raise TaskError(f"There is no execution '{id}' of the flow {self.namespace}.{self.flow_id}")
        await ctx.executions.resume(id, self.inputs)


class Labels(Task):
    """Add labels to the execution; one whose key is there already gets the new value."""

    outside = False

    labels: dict[str, Any] | list[dict[str, Any]] | str = Field(
        description="A map, a list of `key` and `value`, or JSON text of either."
    )

    async def run(self, ctx: Context) -> Result:
        """Hand the labels over."""
        labels = dict(_labels(self.labels))
        for key, value in labels.items():
            if key.startswith(SYSTEM):
                raise TaskError(f"System labels can only be set by Kestra itself, offending label: {key}={value}")
        return Result(labels=labels)


def _labels(given: Any) -> Iterator[tuple[str, str]]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise TaskError("labels: a text must be JSON of a map, or of a list of `key` and `value`") from None
    if isinstance(given, list) and all(isinstance(item, dict) and "key" in item for item in given):
        pairs = [(item["key"], item.get("value")) for item in given]
    elif isinstance(given, dict):
        pairs = list(given.items())
    else:
        raise TaskError("labels: must be a map, or a list of `key` and `value`")
    for key, value in pairs:
        if value is None or key in (None, ""):
            raise TaskError(f"labels: a label has a key and a value, but this one is '{key}' with {value!r}")
        yield (
            str(key),
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        )


class SetVariables(Task):
    """Set variables of the execution, for `{{ vars.NAME }}` in later tasks; maps are merged into those there are."""

    outside = False

    variables: dict[str, Any] = Field(description="Values by name; they may be nested.")
    overwrite: bool = Field(True, description="Whether variables that exist may change; otherwise they fail the task.")

    async def run(self, ctx: Context) -> Result:
        """Hand the variables over."""
        if not self.overwrite:
            known = await ctx.render("{{ vars }}", typed=True)
            taken = [name for name in self.variables if name in known]
            if taken:
                raise TaskError(
                    f"`overwrite` is set to false and the following variables already exist: {', '.join(taken)}"
                )
        return Result(variables=self.variables)


class UnsetVariables(Task):
    """Remove variables of the execution, also those that the flow gave it."""

    outside = False

    variables: list[str] = Field(description="Names; dots lead into maps, as in `address.street`.")
    ignore_missing: bool = Field(
        False, description="Whether a name may lead through a map that isn't there; otherwise it fails the task."
    )

    async def run(self, ctx: Context) -> Result:
        """Hand the names over."""
        if not self.ignore_missing:
            known = await ctx.render("{{ vars }}", typed=True)
            for name in self.variables:
                _check_way(known, name)
        return Result(removed=self.variables)


def _check_way(known: Mapping[str, Any], name: str) -> None:
    """Raises TaskError where a part of a name, other than the last, is no map."""
    place: Any = known
    *above, _ = name.split(".")
    for depth, key in enumerate(above, start=1):
        place = place.get(key)
        if not isinstance(place, Mapping):
            raise TaskError(f"variables: cannot remove '{name}', as '{'.'.join(above[:depth])}' is not a map")


class Assert(Task):
    """Fail where any of some conditions does not hold. Publishes the metrics `success` and `failed`."""

    outside = False

    conditions: list[str | bool | int | float] | Template = Field(
        description="Expressions; one that renders to nothing, false or 0 fails the task."
    )
    error_message: str | None = Field(None, description="What to say besides how many did not hold.")

    async def run(self, ctx: Context) -> None:
        """Render each condition; log those that don't hold and fail if there are any."""
        conditions = self.conditions
        if isinstance(conditions, Template):
            conditions = await ctx.render(conditions, typed=True)
            if not isinstance(conditions, list):
                raise TaskError("conditions: must be a list of expressions")
        failed = 0
        for condition in conditions:
            if _text(await ctx.render(condition)).strip() in FALSY:
                failed += 1
                ctx.log(f"Assertion failed: {_text(condition)}", "ERROR")
        ctx.metric("success", len(conditions) - failed)
        ctx.metric("failed", failed)
        if failed:
            more = "" if self.error_message is None else f"\n{self.error_message}"
            raise TaskError(f"{failed} assertion{'s' if failed > 1 else ''} failed!{more}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Outputs(BaseModel):
    """Base of what these tasks give."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)


class OfFlow(Outputs):
    """A flow whose executions are counted."""

    namespace: str = Field(description="Namespace of the flow.")
    flow_id: str = Field(description="Id of the flow.")


class Counted(OfFlow):
    """How many executions of a flow there are."""

    count: int = Field(description="How many.")


class Counts(Outputs):
    """What Count gives."""

    results: list[Counted] = Field(description="The flows that the expression holds for.")
    total: int = Field(description="How many executions these flows have together.")


class Count(Task):
    """Count executions of flows, to act on those that ran too often or not at all."""

    flows: list[OfFlow] | None = Field(None, description="The flows, each a `namespace` and a `flowId`.")
    namespaces: list[str] | None = Field(None, description="Namespaces all of whose flows are counted.")
    states: list[Status] | None = Field(None, description="States that count; by default all.")
    start_date: Moment = Field(description="Executions created from then on, as 2026-01-31T10:00:00Z.")
    end_date: Moment | None = Field(None, description="Executions created before then; by default until now.")
    expression: str | Template = Field(
        description="Rendered for each flow with `count`; the flow is kept if this gives `true`."
    )

    async def run(self, ctx: Context) -> Counts:
        """Count flow by flow."""
        if self.flows is None and self.namespaces is None:
            raise TaskError("You must provide a list of flows or namespaces")
        wanted = [(flow.namespace, flow.flow_id) for flow in self.flows or ()]
        for namespace in self.namespaces or ():
            wanted += [(namespace, id) for id in await ctx.executions.flows(namespace)]
        results = []
        for namespace, flow in dict.fromkeys(wanted):
            choice = ExecutionChoice(namespace, flow, self.states or (), self.start_date, self.end_date)
            count = await ctx.executions.count(choice)
            if _text(await ctx.render(self.expression, count=count)).strip() == "true":
                results.append(Counted(namespace=namespace, flow_id=flow, count=count))
        return Counts(results=results, total=sum(found.count for found in results))


class Removed(Outputs):
    """What PurgeExecutions gives."""

    executions_count: int = Field(description="How many executions were removed.")
    logs_count: int = Field(description="How many log lines were removed.")
    storages_count: int = Field(description="How many files of internal storage were removed.")
    metrics_count: int = Field(description="How many metrics were removed.")


class PurgeExecutions(Task):
    """Remove old executions with their log lines, metrics and files; those that have not ended are left alone."""

    namespace: str | None = Field(None, description="Namespace, with those below it unless there is a `flowId`.")
    flow_id: str | None = Field(None, description="Flow of the namespace; by default all flows.")
    start_date: Moment | None = Field(None, description="Executions created from then on.")
    end_date: Moment = Field(description="Executions created before then, as 2026-01-31T10:00:00Z.")
    states: list[Status] | None = Field(None, description="States to remove; by default all that are an end.")
    purge_execution: bool = Field(True, description="Whether to remove the executions themselves.")
    purge_log: bool = Field(True, description="Whether to remove their log lines.")
    purge_metric: bool = Field(True, description="Whether to remove their metrics.")
    purge_storage: bool = Field(True, description="Whether to remove their files.")
    batch_size: int = Field(100, ge=1, description="Has no effect.")

    async def run(self, ctx: Context) -> Removed:
        """Remove what was chosen."""
        if self.flow_id is not None and self.namespace is None:
            raise TaskError("flowId: needs the namespace of the flow beside it")
        removed = await ctx.executions.purge(
            ExecutionChoice(self.namespace, self.flow_id, self.states or (), self.start_date, self.end_date),
            executions=self.purge_execution,
            logs=self.purge_log,
            metrics=self.purge_metric,
            files=self.purge_storage,
        )
        return Removed(
            executions_count=removed.executions,
            logs_count=removed.logs,
            storages_count=removed.files,
            metrics_count=removed.metrics,
        )
