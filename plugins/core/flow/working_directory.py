"""WorkingDirectory: tasks that share a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, FolderBlock, TaskError, parse_duration
from plugins.core.namespace_files import NamespaceFiles


class Kept(BaseModel):
    """What WorkingDirectory gives."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)

    output_files: Mapping[str, str] = Field(description="URIs of the files that match `outputFiles`, by relative path.")


class FolderCache(BaseModel):
    """Which files the next run of the task finds in its folder."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    patterns: list[str] = Field(description="Globs of the files.")
    ttl: str | None = Field(None, description="How long they are kept after they last changed; by default always.")

    def lifetime(self) -> int | None:
        """`ttl` in milliseconds. Raises TaskError."""
        try:
            return None if self.ttl is None else parse_duration(self.ttl)
        except ValueError as error:
            raise TaskError(f"cache.ttl: {error}") from None


class WorkingDirectory(FolderBlock):
    """Run tasks one after another in one folder, so that each finds the files of those before it."""

    input_files: dict[str, Any] | list[str] | str | None = Field(
        None, description="Files for the folder: a map of name to URI or text, or a list of URIs."
    )
    output_files: list[str] | None = Field(None, description="Globs of the files to keep.")
    namespace_files: NamespaceFiles | None = Field(
        None, description="Files of namespaces for the folder, as `{enabled: true, include: [sql/**]}`."
    )
    cache: FolderCache | None = Field(
        None, description="Files that the next run finds again, as `{patterns: [node_modules/**], ttl: P1D}`."
    )

    async def prepare(self, ctx: Context) -> None:
        """Fill the folder: what was kept last time, then files of namespaces, then those of `inputFiles`."""
        if self.cache is not None:
            await ctx.folder.recall(self.cache.lifetime())
        if self.namespace_files is not None:
            await self.namespace_files.fetch(ctx)
        await ctx.folder.write(self.input_files)

    async def collect(self, ctx: Context) -> Kept:
        """Keep the files that are asked for, and those for the next run."""
        kept = await ctx.folder.collect(self.output_files or ())
        if self.cache is not None:
            await ctx.folder.keep(self.cache.patterns)
        return Kept(output_files=kept)
