"""Objects of a bucket become files of internal storage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.plugin import Context, Task, TaskError
from plugins.aws.s3.buckets import Place, moved, names
from plugins.aws.s3.connection import Client, Part, told
from plugins.aws.s3.listing import Listing, S3Object
from plugins.aws.s3.transfer import SUMS, opened, stored


class Downloaded(Part):
    """An object that was downloaded."""

    uri: str = Field(description="The file in internal storage.")
    content_length: int = Field(description="Bytes.")
    content_type: str | None = None
    metadata: dict[str, str] | None = None
    e_tag: str | None = None
    version_id: str | None = None
    checksum_algorithm: str | None = None
    checksum_value: str | None = None


class DownloadedFiles(Part):
    """Objects that were downloaded."""

    files: dict[str, Downloaded] = Field(description="What was downloaded, by key.")


class Download(Listing, Task):
    """Download one object by its `key`, or those that `prefix`, `delimiter` and `regexp` name."""

    key: str | None = Field(None, description="Key of the one object.")
    version_id: str | None = Field(None, description="An older version of it.")
    validate_checksum: bool = Field(False, description="Whether the checksum that the store keeps is asked for.")

    async def run(self, ctx: Context) -> Downloaded | DownloadedFiles:
        if self.key is None and self.prefix is None and self.regexp is None and self.delimiter is None:
            raise TaskError("Either key, or prefix, delimiter or regexp must be set")
        async with self.client() as client:
            if self.key is not None:
                return await self._one(ctx, client, self.key)
            found = [it for it in await self.found(ctx, client) if not it.key.endswith("/")]
            files = {it.key: await self._one(ctx, client, it.key, number) for number, it in enumerate(found)}
            return DownloadedFiles(files=files)

    async def _one(self, ctx: Context, client: Client, key: str, number: int | None = None) -> Downloaded:
        options = self.more(
            VersionId=self.version_id if number is None else None,
            ExpectedBucketOwner=self.expected_bucket_owner,
            ChecksumMode="ENABLED" if self.validate_checksum else None,
        )
        with told(f"s3://{self.bucket}/{key}"):
            content = await opened(client, {"Bucket": self.bucket, "Key": key, **options})
            uri = await stored(ctx, content, key, number)
        facts = content.facts
        ctx.metric("file.size", facts["ContentLength"])
        kept = next((name for name in SUMS if facts.get(name)), None)
        return Downloaded(
            uri=uri,
            content_length=facts["ContentLength"],
            content_type=facts.get("ContentType"),
            metadata=facts.get("Metadata") or None,
            e_tag=facts["ETag"].strip('"'),
            version_id=facts.get("VersionId"),
            checksum_algorithm=kept.removeprefix("Checksum") if kept else None,
            checksum_value=facts[kept] if kept else None,
        )


class DownloadedObjects(Part):
    """Objects that were downloaded."""

    objects: list[S3Object] = Field(description="What was downloaded, in the order of the keys.")
    output_files: dict[str, str] = Field(description="URIs of internal storage by key.")


class Downloads(Listing, Task):
    """Download objects, and maybe move or delete them then."""

    action: Literal["NONE", "MOVE", "DELETE"] = Field(description="What becomes of the objects.")
    move_to: Place | None = Field(None, description="Bucket and folder, for MOVE.")

    async def run(self, ctx: Context) -> DownloadedObjects:
        if self.action == "MOVE" and (self.move_to is None or self.move_to.key is None):
            raise TaskError("moveTo: says where to, with the action MOVE: {bucket, key}")
        async with self.client() as client:
            taken: list[S3Object] = []
            for number, it in enumerate(await self.found(ctx, client)):
                if not it.key.endswith("/"):
                    taken.append(await self._taken(ctx, client, it, number))
            for it, name in zip(taken, names([it.key for it in taken]), strict=True):
                await self._acted(client, it, name)
        ctx.metric("files.count", len(taken))
        ctx.metric("files.size.total", sum(it.size for it in taken))
        return DownloadedObjects(objects=taken, output_files={it.key: it.uri for it in taken if it.uri})

    async def _taken(self, ctx: Context, client: Client, it: S3Object, number: int) -> S3Object:
        options: dict[str, Any] = self.more(IfMatch=it.etag, ExpectedBucketOwner=self.expected_bucket_owner)
        with told(f"s3://{self.bucket}/{it.key}"):
            content = await opened(client, {"Bucket": self.bucket, "Key": it.key, **options})
            uri = await stored(ctx, content, it.key, number)
        ctx.metric("file.size", it.size)
        return it.model_copy(update={"uri": uri})

    async def _acted(self, client: Client, it: S3Object, name: str) -> None:
        source = {"Bucket": self.bucket, "Key": it.key}
        with told(f"s3://{self.bucket}/{it.key}"):
            if self.action == "DELETE":
                await client.delete_object(**source, **self.more())
            elif self.move_to is not None and self.action == "MOVE":
                await moved(client, source, self.move_to.below(self.bucket, name), self.more())
