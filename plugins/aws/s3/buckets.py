"""Buckets and their objects: listed, copied, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import anyio
from pydantic import Field

from engine.plugin import Context, Task, TaskError
from plugins.aws.s3.connection import Client, Connection, Part, given, told
from plugins.aws.s3.listing import PAGE, Listing, S3Object
from plugins.aws.s3.transfer import copied, file_name


class Listed(Part):
    """What List gives."""

    objects: list[S3Object] = Field(description="The objects, in the order of their keys.")


class List(Listing, Task):
    """List objects of a bucket."""

    async def run(self, ctx: Context) -> Listed:
        async with self.client() as client:
            return Listed(objects=await self.found(ctx, client))


class Place(Part):
    """A bucket, by default the same, and a key or folder in it."""

    bucket: str | None = None
    key: str | None = None

    def below(self, bucket: str, name: str) -> dict[str, str]:
        """A file in this folder."""
        folder = (self.key or "").rstrip("/")
        return {"Bucket": self.bucket or bucket, "Key": f"{folder}/{name}" if folder else name}


class Source(Place):
    """What is copied."""

    version_id: str | None = None


class Target(Place):
    """Where a copy goes."""

    server_side_encryption: Literal["NONE", "AES256", "AWS_KMS"] | None = None
    kms_key_id: str | None = None

    def options(self) -> dict[str, Any]:
        kind = {"AES256": "AES256", "AWS_KMS": "aws:kms"}.get(self.server_side_encryption or "")
        return given(ServerSideEncryption=kind, SSEKMSKeyId=self.kms_key_id)


class Written(Part):
    """An object that was written."""

    bucket: str
    key: str
    e_tag: str | None = None
    version_id: str | None = None


class Copy(Connection, Task):
    """Copy an object, or move it with `delete`. What `to` leaves out is as in `from`, whose bucket is `bucket`."""

    bucket: str = Field("", description="Bucket where from and to name none.")
    from_: Source = Field(alias="from", description="The object: bucket, key, versionId.")
    to: Target = Field(default_factory=Target, description="Where to: bucket, key, serverSideEncryption, kmsKeyId.")
    delete: bool = Field(False, description="Whether the object is removed once it was copied.")

    async def run(self, ctx: Context) -> Written:
        bucket = self.from_.bucket or self.bucket
        if not bucket or not self.from_.key:
            raise TaskError("from: needs a bucket and a key")
        source = {"Bucket": bucket, "Key": self.from_.key, **given(VersionId=self.from_.version_id)}
        target = {"Bucket": self.to.bucket or bucket, "Key": self.to.key or self.from_.key}
        if self.delete and target.items() <= source.items():
            raise TaskError(f"to: is the object itself, s3://{bucket}/{self.from_.key}, which would be deleted")
        options = {**self.more(), **self.to.options()}
        async with self.client() as client:
            with told(f"s3://{bucket}/{self.from_.key}"):
                answer = await _copied(client, source, target, options)
                if self.delete:
                    await client.delete_object(**source, **self.more())
        return Written(
            bucket=target["Bucket"],
            key=target["Key"],
            e_tag=answer["ETag"].strip('"'),
            version_id=answer.get("VersionId"),
        )


async def moved(
    client: Client, source: Mapping[str, Any], target: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Copy an object and then delete it, unless it is its own target."""
    if dict(source) != dict(target):
        await _copied(client, source, target, options)
        await client.delete_object(**source, **options)


async def _copied(
    client: Client, source: Mapping[str, Any], target: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    facts = await client.head_object(**source)
    return await copied(client, source, facts, {**target, **options})


class Deleted(Part):
    """What Delete gives."""

    version_id: str | None = None
    delete_marker: bool | None = None
    request_charged: str | None = None


class Delete(Connection, Task):
    """Delete an object. That there is none is no error."""

    key: str = Field(description="Its key.")
    version_id: str | None = Field(None, description="Only this version.")
    bypass_governance_retention: bool | None = Field(None, description="Whether a lock may be overridden.")
    mfa: str | None = Field(None, description="Serial number and code of the device that the bucket asks for.")

    async def run(self, ctx: Context) -> Deleted:
        options = self.more(
            VersionId=self.version_id, BypassGovernanceRetention=self.bypass_governance_retention, MFA=self.mfa
        )
        async with self.client() as client:
            with told(f"s3://{self.bucket}/{self.key}"):
                answer = await client.delete_object(Bucket=self.bucket, Key=self.key, **options)
        return Deleted(
            version_id=answer.get("VersionId"),
            delete_marker=answer.get("DeleteMarker"),
            request_charged=answer.get("RequestCharged"),
        )


class DeletedList(Part):
    """What DeleteList gives."""

    count: int = Field(description="How many objects were deleted.")
    size: int = Field(description="Bytes of all of them.")


class DeleteList(Listing, Task):
    """Delete the objects that the filters name."""

    concurrent: int | None = Field(None, ge=2, description="How many requests at once, each for up to 1,000 objects.")
    error_on_empty: bool = Field(False, description="Whether it is an error that there is none.")

    async def run(self, ctx: Context) -> DeletedList:
        async with self.client() as client:
            found = await self.found(ctx, client)
            if not found and self.error_on_empty:
                raise TaskError(f"s3://{self.bucket}/{self.prefix or ''}: there is nothing to delete")
            with told(f"s3://{self.bucket}/{self.prefix or ''}"):
                await self._delete(client, [it.key for it in found])
        size = sum(it.size for it in found)
        ctx.metric("s3.objects.deleted.count", len(found))
        ctx.metric("s3.objects.deleted.size", size)
        return DeletedList(count=len(found), size=size)

    async def _delete(self, client: Client, keys: Sequence[str]) -> None:
        at_once = anyio.Semaphore(self.concurrent or 1)
        failed: list[Mapping[str, Any]] = []

        async def delete(part: Sequence[str]) -> None:
            async with at_once:
                answer = await client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in part]}, **self.more()
                )
                failed.extend(answer.get("Errors", ()))

        async with anyio.create_task_group() as tasks:
            for start in range(0, len(keys), PAGE):
                tasks.start_soon(delete, keys[start : start + PAGE])
        if failed:
            first = failed[0]
            raise TaskError(
                f"{len(failed)} of {len(keys)} objects were not deleted; "
                f"s3://{self.bucket}/{first.get('Key')}: {first.get('Code')}: {first.get('Message')}"
            )


class Made(Part):
    """What CreateBucket gives."""

    bucket: str
    region: str | None = Field(None, description="Where it is, as the store says it.")


class CreateBucket(Connection, Task):
    """Create a bucket."""

    acl: str | None = Field(None, description="Who may do what, as `private`.")
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = Field(None, alias="grantReadACP")
    grant_write: str | None = None
    grant_write_acp: str | None = Field(None, alias="grantWriteACP")
    object_lock_enabled_for_bucket: bool | None = Field(None, description="Whether objects can be locked.")

    async def run(self, ctx: Context) -> Made:
        options = given(
            ACL=self.acl,
            GrantFullControl=self.grant_full_control,
            GrantRead=self.grant_read,
            GrantReadACP=self.grant_read_acp,
            GrantWrite=self.grant_write,
            GrantWriteACP=self.grant_write_acp,
            ObjectLockEnabledForBucket=self.object_lock_enabled_for_bucket,
        )
        # Of the oldest region the store doesn't want to be told.
        if self.region not in (None, "us-east-1") and self.endpoint_override is None:
            options["CreateBucketConfiguration"] = {"LocationConstraint": self.region}
        async with self.client() as client:
            with told(f"s3://{self.bucket}"):
                answer = await client.create_bucket(Bucket=self.bucket, **options)
        return Made(bucket=self.bucket, region=answer.get("Location"))


def names(keys: Sequence[str]) -> list[str]:
    """File names for objects that move to one folder: the ends of their keys, no two the same."""
    found: list[str] = []
    for key in keys:
        name = file_name(key)
        path, number = PurePosixPath(name), 1
        while name in found:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        found.append(name)
    return found
