"""The property `namespaceFiles`: files of namespaces in the working directory of a task."""

from __future__ import annotations

from typing import Literal

import anyio
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, TaskError


class NamespaceFiles(BaseModel):
    """Which files of which namespaces come into the working directory.

    Globs fit on paths like `/folder/file.txt`; one that begins with a letter or digit fits in every folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    enabled: bool = Field(True, description="Whether any come at all.")
    include: list[str] | None = Field(None, description="Globs of the files; by default all.")
    exclude: list[str] | None = Field(None, description="Globs of files to leave out.")
    namespaces: list[str] | None = Field(
        None, description="Namespaces in order, later ones win; by default that of the flow."
    )
    if_exists: Literal["OVERWRITE", "FAIL", "WARN", "IGNORE"] = Field(
        "OVERWRITE", description="What to do with a file that is there already."
    )
    folder_per_namespace: bool = Field(False, description="Whether each namespace has a folder of its name.")

    async def fetch(self, ctx: Context) -> None:
        """Copy the files into the working directory."""
        if not self.enabled:
            return
        for namespace in self.namespaces or [ctx.execution.namespace]:
            found = await ctx.namespaces.find(self.include, self.exclude or (), namespace)
            for path, uri in found.items():
                await self._fetch(ctx, f"{namespace}{path}" if self.folder_per_namespace else path[1:], uri)

    async def _fetch(self, ctx: Context, name: str, uri: str) -> None:
        target = ctx.folder.resolve(name)
        if self.if_exists != "OVERWRITE" and await anyio.Path(target).exists():
            said = f"namespaceFiles: the file '{name}' is there already"
            if self.if_exists == "FAIL":
                raise TaskError(f"{said}: choose another `ifExists`, or leave it out with `exclude`")
            if self.if_exists == "WARN":
                ctx.log(f"{said}, and stays as it is", "WARN")
            return
        await ctx.files.fetch(uri, target)
