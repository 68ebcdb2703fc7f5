"""Files of internal storage: joined, cut, turned round, counted, removed.

Large files pass through in pieces; what takes more than a look at each byte runs in a thread on a local copy.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, ExpressionError, Task, TaskError, Template
from plugins.core.storage_cut import Cutter, Turner, size_of
from plugins.core.storage_items import gathered, items_of, lines_of

SCHEMES = ("kestra:///", "nsfile://")
TEMPORARY = ".tmp"
FALSY = ("", "false", "0", "-0")


class Outputs(BaseModel):
    """Base of what these tasks give."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)


class File(Outputs):
    """A file that was made."""

    uri: str = Field(description="URI of the file.")


class Write(Task):
    """Store a text as a file of internal storage."""

    content: str = Field(description="The text.")
    extension: str | None = Field(None, description="End of the file's name, as .txt.")

    async def run(self, ctx: Context) -> File:
        """Store the text."""
        return File(uri=await ctx.files.put(f"content{self.extension or TEMPORARY}", self.content))


class Concat(Task):
    """Join files to one."""

    files: list[str] | str = Field(description="URIs of the files, as a list or JSON text of one.")
    separator: str | None = Field(None, description="Text to write after each file.")
    extension: str = Field(TEMPORARY, description="End of the file's name.")

    async def run(self, ctx: Context) -> File:
        """Write one file after the other."""
        uris = [_uri(uri) for uri in _list(self.files, "files")]
        separator = (self.separator or "").encode()

        async def joined() -> AsyncIterator[bytes]:
            for uri in uris:
                async for chunk in ctx.files.read(uri):
                    yield chunk
                if separator:
                    yield separator

        return File(uri=await ctx.files.put(f"concat{self.extension}", joined()))


class Pieces(Outputs):
    """What Split gives."""

    uris: list[str] = Field(description="URIs of the pieces, in order.")


class Split(Task):
    """Cut a file of lines into several: of a size, into a number of pieces, or of a number of lines each."""

    from_: str = Field(alias="from", description="URI of the file.")
    # Read as a text: a number without unit is bytes.
    bytes_: str | int | None = Field(
        None, alias="bytes", description="Size after which a new piece begins, as 10MB; units are KB, MB and GB."
    )
    partitions: int | None = Field(None, ge=1, description="How many pieces; they get the lines in turn.")
    rows: int | None = Field(None, ge=1, description="How many lines a piece has.")
    separator: str = Field("\n", description="Text to write after each line.")

    async def run(self, ctx: Context) -> Pieces:
        """Cut a local copy and store the pieces."""
        if self.bytes_ is None and self.partitions is None and self.rows is None:
            raise TaskError("Invalid configuration with no size, count, nor rows")
        cutter = Cutter(
            source=await _copied(ctx, self.from_),
            folder=ctx.folder.path / "pieces",
            separator=self.separator.encode(),
            size=None if self.bytes_ is None else size_of(str(self.bytes_)),
            partitions=self.partitions,
            rows=self.rows,
        )
        pieces = await ctx.thread(cutter.run, stop=cutter.stop)
        extension = PurePosixPath(self.from_).suffix or TEMPORARY
        return Pieces(uris=[await ctx.files.put(f"{piece.name}{extension}", piece) for piece in pieces])


class Reverse(Task):
    """Turn the order of a file's lines round."""

    from_: str = Field(alias="from", description="URI of the file.")
    separator: str = Field("\n", description="Text that ends a line.")
    charset: str = Field("UTF-8", description="Encoding of the file.")

    async def run(self, ctx: Context) -> File:
        """Write a local copy from its end to its beginning, and store it."""
        if not self.separator:
            raise TaskError("separator: must not be empty")
        target = ctx.folder.path / "reversed"
        turner = Turner(await _copied(ctx, self.from_), target, self.separator, self.charset)
        await ctx.thread(turner.run, stop=turner.stop)
        extension = PurePosixPath(self.from_).suffix or TEMPORARY
        return File(uri=await ctx.files.put(f"reversed{extension}", target))


class Deduplicated(File):
    """What DeduplicateItems gives."""

    num_keys: int = Field(description="How many different keys there are.")
    processed_items_total: int = Field(description="How many items were looked at.")
    dropped_items_total: int = Field(description="How many items were left out.")


class DeduplicateItems(Task):
    """Keep of all items with the same key only the last one. Items are lines of JSON or Ion."""

    from_: str = Field(alias="from", description="URI of the file.")
    expr: str | Template = Field(description="Expression that gives the key of an item; it sees the item's fields.")

    async def run(self, ctx: Context) -> Deduplicated:
        """Look for the last item of each key, then copy those."""
        uri = _uri(self.from_)
        last: dict[bytes, int] = {}
        count = 0
        async for _, item in items_of(ctx, uri):
            key = str(await ctx.render(self.expr, item))
            # A digest, so that long keys take no more memory than short ones.
            last[blake2b(key.encode("utf-8", "replace"), digest_size=16).digest()] = count
            count += 1
        kept = set(last.values())

        async def unique() -> AsyncIterator[bytes]:
            number = 0
            async for line in lines_of(ctx, uri):
                if number in kept:
                    yield line + b"\n"
                number += 1

        stored = await ctx.files.put("unique.ion", gathered(unique()))
        return Deduplicated(
            uri=stored, num_keys=len(last), processed_items_total=count, dropped_items_total=count - len(kept)
        )


class Filtered(File):
    """What FilterItems gives."""

    processed_items_total: int = Field(description="How many items were looked at.")
    dropped_items_total: int = Field(description="How many items were left out.")


class FilterItems(Task):
    """Keep the items that a condition holds for, or leave these out. Items are lines of JSON or Ion."""

    from_: str = Field(alias="from", description="URI of the file.")
    filter_condition: str | Template = Field(
        description="Expression on an item's fields; it holds unless it gives nothing, false or 0."
    )
    filter_type: Literal["INCLUDE", "EXCLUDE"] = Field(
        "INCLUDE", description="Whether to keep the items that the condition holds for, or the others."
    )
    error_or_null_behavior: Literal["FAIL", "INCLUDE", "EXCLUDE"] = Field(
        "FAIL", description="What to do with an item that the condition fails on or gives null for."
    )

    async def run(self, ctx: Context) -> Filtered:
        """Copy the items that stay."""
        count = kept = 0

        async def chosen() -> AsyncIterator[bytes]:
            nonlocal count, kept
            async for line, item in items_of(ctx, _uri(self.from_)):
                count += 1
                if await self._stays(ctx, item, count):
                    kept += 1
                    yield line + b"\n"

        stored = await ctx.files.put("filtered.ion", gathered(chosen()))
        return Filtered(uri=stored, processed_items_total=count, dropped_items_total=count - kept)

    async def _stays(self, ctx: Context, item: Mapping[str, Any], number: int) -> bool:
        try:
            value = await ctx.render(self._condition(), item, typed=True)
        except ExpressionError as error:
            if self.error_or_null_behavior == "FAIL":
                raise TaskError(f"filterCondition: item {number}: {error}") from None
            return self.error_or_null_behavior == "INCLUDE"
        if value is None:
            if self.error_or_null_behavior == "FAIL":
                raise TaskError(f"filterCondition: item {number}: the expression gives null")
            return self.error_or_null_behavior == "INCLUDE"
        holds = (value if isinstance(value, str) else json.dumps(value, default=str)).strip() not in FALSY
        return holds == (self.filter_type == "INCLUDE")

    def _condition(self) -> Any:
        """The condition without space around it, so that one that is a single expression can give null."""
        source = self.filter_condition.source if isinstance(self.filter_condition, Template) else self.filter_condition
        return source.strip() if isinstance(source, str) else source


class Deleted(Outputs):
    """What Delete gives."""

    uri: str = Field(description="URI of the file.")
    deleted: bool = Field(description="Whether there was such a file.")


class Delete(Task):
    """Delete a file."""

    uri: str = Field(description="URI of the file.")
    error_on_missing: bool = Field(False, description="Whether a file that does not exist fails the task.")

    async def run(self, ctx: Context) -> Deleted:
        """Delete the file."""
        uri = _uri(self.uri)
        # Asked first: storage deletes a folder as readily as a file.
        deleted = await ctx.files.exists(uri) and await ctx.files.delete(uri)
        if not deleted and self.error_on_missing:
            raise TaskError(f"Unable to find file '{uri}'")
        return Deleted(uri=uri, deleted=deleted)


class Measured(Outputs):
    """What Size gives."""

    size: int = Field(description="Size in bytes.")


class Size(Task):
    """Tell the size of a file."""

    uri: str = Field(description="URI of the file.")

    async def run(self, ctx: Context) -> Measured:
        """Look."""
        return Measured(size=await ctx.files.size(_uri(self.uri)))


class Files(Outputs):
    """Files by their names."""

    uris: dict[str, str] = Field(description="URIs by relative path.")


class LocalFiles(Task):
    """Make files for other tasks, or keep files that they made. `inputFiles` and `outputFiles` of tasks do the same."""

    inputs: dict[str, Any] | str | None = Field(
        None, description="Files to write: a map of name to URI or text, or JSON text of one."
    )
    outputs: list[str] | None = Field(None, description="Globs of the files to store.")

    async def run(self, ctx: Context) -> Files:
        """Write, then store."""
        await ctx.folder.write(self.inputs)
        return Files(uris=await ctx.folder.collect(self.outputs or ()))


class Removed(Outputs):
    """What PurgeCurrentExecutionFiles gives."""

    uris: list[str] = Field(description="URIs of the files that were deleted.")


class PurgeCurrentExecutionFiles(Task):
    """Delete all files of this execution: inputs, and what tasks left so far."""

    async def run(self, ctx: Context) -> Removed:
        """Delete the files."""
        return Removed(uris=await ctx.executions.purge_files(ctx.execution))


async def _copied(ctx: Context, uri: str) -> Path:
    """A local copy of a file."""
    copy = ctx.folder.path / ".source"
    await ctx.files.fetch(_uri(uri), copy)
    return copy


def _uri(text: str) -> str:
    """A URI of internal storage. Raises TaskError for what can't be one."""
    uri = text.strip()
    if not uri:
        raise TaskError("Invalid internal storage uri, got null")
    if "://" not in uri:
        raise TaskError(f"Invalid internal storage uri, got uri '{uri}'")
    if not uri.startswith(SCHEMES):
        raise TaskError(f"Invalid internal storage scheme, got uri '{uri}'")
    return uri


def _list(value: list[str] | str, place: str) -> list[str]:
    """A list that may be given as JSON text."""
    if isinstance(value, list):
        return value
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, list) or not all(isinstance(item, str) for item in read):
        raise TaskError(f"{place}: a text must be a JSON list of URIs, but is '{value[:100]}'")
    return read
