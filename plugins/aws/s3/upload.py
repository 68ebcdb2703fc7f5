"""Files of internal storage become objects of a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

import anyio
from pydantic import Field

from engine.plugin import Context, Task, TaskError
from plugins.aws.s3.buckets import Written
from plugins.aws.s3.connection import Client, Connection, Part, given, told
from plugins.aws.s3.transfer import sent


class UploadedFile(Part):
    """One of several files."""

    e_tag: str | None = None
    version_id: str | None = None
    content_length: int


class UploadedFiles(Part):
    """Files that were uploaded."""

    bucket: str
    key: str = Field(description="What their keys begin with.")
    files: dict[str, UploadedFile] = Field(description="What was uploaded, by its name below the key.")


class Upload(Connection, Task):
    """Upload one file as `key`, or several below it."""

    from_: str | list[str] | dict[str, str] = Field(
        alias="from",
        description="URI of the file, a list of URIs, a map of names below the key to URIs, or JSON of it.",
    )
    key: str = Field(description="Key of the one object; what the keys of several begin with.")
    metadata: dict[str, str] | None = Field(None, description="Metadata of the objects.")
    cache_control: str | None = None
    content_type: str | None = Field(None, description="Type of the content; by default octets.")
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    content_length: int | None = Field(None, description="Has no meaning: the length of the file is known.")
    expires: datetime | None = None
    acl: str | None = None
    storage_class: str | None = None
    server_side_encryption: str | None = Field(None, description="AES256, aws:kms or aws:kms:dsse.")
    bucket_key_enabled: bool | None = None
    checksum_algorithm: str | None = Field(None, description="Checksum to send along and to keep, as SHA256.")
    checksum: str | None = Field(None, description="Checksum that the content of the one file must have.")
    expected_bucket_owner: str | None = Field(None, description="Account that must own the bucket.")
    object_lock_mode: str | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_retain_until_date: datetime | None = None
    tagging: dict[str, str] | None = Field(None, description="Tags of the objects.")
    concurrent_uploads: int = Field(50, ge=1, description="How many files at once.")

    async def run(self, ctx: Context) -> Written | UploadedFiles:
        files = _files(self.from_)
        if not files:
            raise TaskError("from: there is no file to upload")
        async with self.client() as client:
            if len(files) == 1:
                done = await self._sent(ctx, client, self.key, next(iter(files.values())))
                return Written(bucket=self.bucket, key=self.key, e_tag=done.e_tag, version_id=done.version_id)
            return await self._all(ctx, client, files)

    async def _all(self, ctx: Context, client: Client, files: Mapping[str, str]) -> UploadedFiles:
        done: dict[str, UploadedFile] = {}
        room = anyio.Semaphore(self.concurrent_uploads)

        async def send(name: str, uri: str) -> None:
            async with room:
                done[name] = await self._sent(ctx, client, f"{self.key.rstrip('/')}/{name}", uri)

        async with anyio.create_task_group() as tasks:
            for name, uri in files.items():
                tasks.start_soon(send, name, uri)
        ctx.metric("file.count", len(done))
        return UploadedFiles(bucket=self.bucket, key=self.key, files={name: done[name] for name in files})

    async def _sent(self, ctx: Context, client: Client, key: str, uri: str) -> UploadedFile:
        with told(f"s3://{self.bucket}/{key}"):
            where = {"Bucket": self.bucket, "Key": key}
            answer, size = await sent(client, ctx.files.read(uri), where, self._options())
        ctx.metric("file.size", size)
        return UploadedFile(e_tag=answer["ETag"].strip('"'), version_id=answer.get("VersionId"), content_length=size)

    def _options(self) -> dict[str, Any]:
        algorithm = self.checksum_algorithm
        return self.more(
            Metadata=self.metadata,
            CacheControl=self.cache_control,
            ContentType=self.content_type,
            ContentEncoding=self.content_encoding,
            ContentDisposition=self.content_disposition,
            ContentLanguage=self.content_language,
            Expires=self.expires,
            ACL=self.acl,
            StorageClass=self.storage_class,
            ServerSideEncryption=self.server_side_encryption,
            BucketKeyEnabled=self.bucket_key_enabled,
            ChecksumAlgorithm=algorithm,
            ExpectedBucketOwner=self.expected_bucket_owner,
            ObjectLockMode=self.object_lock_mode,
            ObjectLockLegalHoldStatus=self.object_lock_legal_hold_status,
            ObjectLockRetainUntilDate=self.object_lock_retain_until_date,
            Tagging=urlencode(self.tagging) if self.tagging else None,
            **given(**({f"Checksum{algorithm}": self.checksum} if algorithm else {})),
        )


def _files(source: Any) -> dict[str, str]:
    """URIs by the name that the object gets below the key. Raises TaskError for what names no files."""
    if isinstance(source, str):
        text = source.strip()
        if not text.startswith(("[", "{")):
            return {PurePosixPath(text).name: text}
        try:
            source = json.loads(text)
        except ValueError as error:
            raise TaskError(f"from: is neither a URI nor JSON: {error}") from None
    if isinstance(source, Mapping):
        return {str(name).lstrip("/"): str(uri) for name, uri in source.items()}
    named: dict[str, str] = {}
    for uri in source:
        name = PurePosixPath(str(uri)).name
        if name in named:
            raise TaskError(f"from: two files are called '{name}'; give a map of names to URIs")
        named[name] = str(uri)
    return named
