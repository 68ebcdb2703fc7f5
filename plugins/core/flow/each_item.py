"""Starting an execution of another flow for each batch of a file's lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Block, Call, Child, Context, Kind, Shape, Task, TaskError
from plugins.core.flow.subflow import LabelPair, Subflow
from plugins.core.storage import Split

CALLED = (
    "namespace",
    "flowId",
    "revision",
    "inputs",
    "labels",
    "wait",
    "transmitFailed",
    "inheritLabels",
    "scheduleDate",
    "restartBehavior",
)
PARTS = "io.kestra.plugin.core.flow.ForEachItem"


class Batch(BaseModel):
    """How the lines are cut into batches: by size, else into a number of files, else by lines."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    rows: int | str = Field(1, description="Lines of a batch.")
    bytes_: int | str | None = Field(None, alias="bytes", description="Size after which a new batch begins, as 10MB.")
    partitions: int | str | None = Field(None, description="How many batches; they get the lines in turn.")
    separator: str = Field("\n", description="Text to write after each line.")


class ForEachItem(Block):
    """Start an execution of another flow for each batch of a file's lines, and wait for them all.

    It runs three tasks: `ID_split` cuts the file, `ID_items` starts the executions (outputs `numberOfBatches` and
    `iterations`, how many are in which state), `ID_merge` gives `subflowOutputs`, a file of the outputs of all.
    `inputs`, `labels` and `scheduleDate` see `taskrun.items`, the URI of the batch, and `taskrun.iteration` from 0.
    """

    id: str = Field(description="Name of the task; its parts add `_split`, `_items` and `_merge`.")
    items: str = Field(description="URI of the file, in internal storage.")
    batch: Batch = Field(Batch(), description="How the lines are cut into batches.")
    namespace: str = Field(min_length=1, description="Namespace of the flow.")
    flow_id: str = Field(min_length=1, description="Id of the flow.")
    revision: int | None = Field(None, ge=1, description="Its revision; by default the latest.")
    inputs: dict[str, Any] | None = Field(None, description="Inputs of each execution; files as URIs.")
    labels: dict[str, Any] | list[LabelPair] | None = Field(None, description="Labels: a map, or a list of key, value.")
    inherit_labels: bool | str = Field(False, description="Hand on the labels of this execution.")
    wait: bool = Field(True, description="End when all executions have ended, not when they have started.")
    transmit_failed: bool = Field(True, description="End as they do: FAILED, KILLED or WARNING.")
    schedule_date: str | None = Field(None, description="When they start, with its zone; by default now.")
    restart_behavior: Literal["RETRY_FAILED", "NEW_EXECUTION"] = Field(
        "RETRY_FAILED", description="A restart runs the failed executions again, or starts new ones."
    )

    def shape(self) -> Shape:
        """The three parts, one after another."""
        return Shape(Kind.SEQUENTIAL)

    @classmethod
    def children(cls, raw: Mapping[str, Any]) -> Iterator[Child]:
        """The parts, and the tasks of `errors` and `finally`."""
        id = raw.get("id")
        batch = raw.get("batch")
        batch = {"batch": batch} if batch is not None else {}
        called = {name: raw[name] for name in CALLED if raw.get(name) is not None}
        split, items, merge = (f"{id}_{part}" for part in ("split", "items", "merge"))
        yield Child("tasks", (), {"id": split, "type": f"{PARTS}Split", "items": raw.get("items"), **batch})
        splits = f"{{{{ outputs['{split}'].splits }}}}"
        yield Child("tasks", (), {"id": items, "type": f"{PARTS}Batches", "splits": splits, "call": called})
        folder = f"{{{{ outputs['{items}'].subflowOutputsBaseUri ?? '' }}}}"
        yield Child("tasks", (), {"id": merge, "type": f"{PARTS}Merge", "folder": folder})
        for branch, place, tasks in cls.lists(raw):
            if branch != "tasks":
                for index, task in enumerate(tasks if isinstance(tasks, list) else ()):
                    yield Child(branch, (*place, index), task)


class Splits(BaseModel):
    """Where the batches are."""

    splits: str = Field(description="URI of a file with the URI of a batch in each line.")


class ForEachItemSplit(Task):
    """The part of a ForEachItem that cuts the file."""

    internal: ClassVar[bool] = True

    items: str = Field(description="URI of the file.")
    batch: Batch = Field(Batch(), description="How the lines are cut into batches.")

    async def run(self, ctx: Context) -> Splits:
        """Cut the file as storage.Split does."""
        if not self.items.startswith("kestra://"):
            raise TaskError(f"Unable to split the items from {self.items}, this is not an internal storage URI!")
        cut = self.batch.model_dump(by_alias=True, exclude_none=True)
        pieces = await Split.model_validate({"from": self.items, **cut}).run(ctx)
        listed = "".join(f"{uri}\n" for uri in pieces.uris)
        return Splits(splits=await ctx.files.put("splits.txt", listed.encode()))


class ForEachItemBatches(Block):
    """The part of a ForEachItem that starts the executions."""

    internal: ClassVar[bool] = True

    splits: str = Field(description="URI of a file with the URI of a batch in each line.")
    call: dict[str, Any] = Field(description="What to start, as a Subflow has it.")

    def shape(self) -> Shape:
        """An execution for each batch, all at once."""
        return Shape(
            Kind.ITEMS,
            ask=self.splits,
            transmit=bool(self.call.get("transmitFailed", True)),
            waits=bool(self.call.get("wait", True)),
            properties=self.call,
            call=_call,
        )


def _call(rendered: Mapping[str, Any]) -> Call:
    return Subflow.model_validate(dict(rendered)).call()


class Merged(BaseModel):
    """What all executions gave."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    subflow_outputs: str | None = Field(None, description="URI of a file with their outputs, one a line.")


class ForEachItemMerge(Task):
    """The part of a ForEachItem that gives the outputs of all executions."""

    internal: ClassVar[bool] = True

    folder: str = Field(description="Address of the folder that holds them.")

    async def run(self, ctx: Context) -> Merged | None:
        """Name the file, if there is one."""
        address = f"{self.folder}/outputs.ion"
        if not self.folder or not await ctx.files.exists(address):
            return None
        return Merged(subflow_outputs=address)
