"""Files of a namespace, which all its flows share: `{{ read('path/file.sql') }}`, `nsfile:///path/file.sql`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, Task, TaskError
from plugins.core.since import milliseconds


class FilesTask(Task):
    """What the tasks about namespace files share."""

    namespace: str | None = Field(None, description="Namespace of the files; by default that of the flow.")


class Uploaded(BaseModel):
    """What UploadFiles gives."""

    files: dict[str, str] = Field(description="URIs of the namespace files, by path.")


class UploadFiles(FilesTask):
    """Store files of the working directory, or of internal storage, as files of a namespace."""

    files: list[str] | str | None = Field(None, description="Globs of files of the working directory.")
    files_map: dict[str, Any] | None = Field(None, description="Path of the namespace file to URI of its content.")
    destination: str = Field("/", description="Folder of the namespace files.")
    conflict: Literal["OVERWRITE", "ERROR", "SKIP"] = Field("OVERWRITE", description="What to do with what is there.")

    async def run(self, ctx: Context) -> Uploaded:
        """Store the files."""
        if self.files is None and self.files_map is None:
            raise TaskError("files or filesMap is required")
        kept = {}
        for name in await ctx.folder.find(_patterns(self.files)):
            kept[_below(self.destination, name)] = (True, name)
        for name, uri in (self.files_map or {}).items():
            kept[_below(self.destination, name)] = (False, str(uri))
        return Uploaded(files={path: await self._put(ctx, path, local, of) for path, (local, of) in kept.items()})

    async def _put(self, ctx: Context, path: str, local: bool, of: str) -> str:
        """Store one file, unless there is one that must stay; returns its URI."""
        if self.conflict != "OVERWRITE" and await ctx.namespaces.exists(path, self.namespace):
            if self.conflict == "ERROR":
                raise TaskError(
                    f"The namespace has a file '{path}' already: `conflict: OVERWRITE` replaces it, SKIP keeps it"
                )
            ctx.log(f"{path} is there already and stays", "DEBUG")
            return ctx.namespaces.uri(path, self.namespace)
        source = ctx.folder.resolve(of) if local else ctx.files.read(of)
        return await ctx.namespaces.put(path, source, self.namespace)


class Downloaded(BaseModel):
    """What DownloadFiles gives."""

    files: dict[str, str] = Field(description="URIs of the copies, by path.")


class DownloadFiles(FilesTask):
    """Copy files of a namespace, so that they stay as they are now."""

    files: list[str] | str = Field(description="Globs of the namespace files.")
    destination: str = Field("", description="Folder that leads the paths of the copies.")

    async def run(self, ctx: Context) -> Downloaded:
        """Copy the files."""
        found = await ctx.namespaces.find(_patterns(self.files), namespace=self.namespace)
        copies = {}
        for path, uri in found.items():
            name = f"{self.destination}{path}"
            copies[name] = await ctx.files.put(name.lstrip("/"), ctx.files.read(uri))
        ctx.metric("downloaded", len(copies))
        return Downloaded(files=copies)


class DeleteFiles(FilesTask):
    """Delete files of a namespace."""

    files: list[str] | str = Field(description="Globs of the namespace files.")
    delete_parent_folder: bool = Field(True, description="Has no effect: folders are there as long as their files.")

    async def run(self, ctx: Context) -> None:
        """Delete the files."""
        found = await ctx.namespaces.find(_patterns(self.files), namespace=self.namespace)
        for path in found:
            await ctx.namespaces.delete(path, self.namespace)
            ctx.log(f"{path} deleted", "DEBUG")
        ctx.metric("deleted", len(found))


class PurgeBehavior(BaseModel):
    """Which contents PurgeFiles drops: those that `keepAmount` leaves, stored before `before`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    type: Literal["version"] = "version"
    keep_amount: int | None = Field(None, ge=1)
    before: datetime | date | None = None


class Purged(BaseModel):
    """What PurgeFiles gives."""

    size: int = Field(description="How many older contents were dropped.")


class PurgeFiles(Task):
    """Drop older contents (revisions) of namespace files; the files themselves stay as they are."""

    file_pattern: str | None = Field(None, description="Glob of the files; by default all.")
    namespaces: list[str] | None = Field(None, description="Namespaces; by default all that have flows.")
    namespace_pattern: str | None = Field(None, description="Glob of namespaces, instead of `namespaces`.")
    include_child_namespaces: bool = Field(True, description="Whether those below `namespaces` count too.")
    behavior: PurgeBehavior = Field(
        default_factory=PurgeBehavior,
        description="`{type: version, keepAmount: 3, before: 2030-01-01}`: how many contents of each file stay, with "
        "the one of now, and before when those were stored that go. By default all older ones go.",
    )

    async def run(self, ctx: Context) -> Purged:
        """Drop them."""
        if self.namespaces is not None and self.namespace_pattern is not None:
            raise TaskError("PurgeFiles takes either namespaces or namespacePattern, not both")
        size = await ctx.namespaces.purge(
            pattern=self.file_pattern,
            namespaces=self.namespaces,
            namespace=self.namespace_pattern,
            below=self.include_child_namespaces,
            keep=self.behavior.keep_amount,
            before=milliseconds(self.behavior.before),
        )
        ctx.log(f"{size} older contents dropped")
        return Purged(size=size)


def _patterns(files: list[str] | str | None) -> list[str]:
    return [] if files is None else [files] if isinstance(files, str) else files


def _below(folder: str, name: str) -> str:
    return "/" + "/".join(step for step in f"{folder}/{name}".split("/") if step)
