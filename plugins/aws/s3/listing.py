"""Which objects of a bucket are meant, and how they are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal

import regex
from pydantic import Field, field_validator

from engine.plugin import Context, Plugin, TaskError
from plugins.aws.s3.connection import Client, Connection, Part, given, told

PAGE = 1000
MATCH_SECONDS = 0.05


class Owner(Part):
    """Whose an object is."""

    id: str | None = None
    display_name: str | None = None


class S3Object(Part):
    """An object of a bucket."""

    uri: str | None = Field(None, description="The object in internal storage, once it was downloaded.")
    key: str = Field(description="Its key.")
    etag: str = Field(description="What its content is known by.")
    size: int = Field(description="Bytes.")
    last_modified: datetime | None = Field(None, description="When it was written.")
    owner: Owner | None = Field(None, description="Whose it is.")
    checksum_algorithm: str | None = None


class Filters(Plugin):
    """Which objects."""

    prefix: str | None = Field(None, description="What their keys begin with.")
    delimiter: str | None = Field(None, description="Leave out keys in which this stands after the prefix.")
    marker: str | None = Field(None, description="Only keys after this one.")
    encoding_type: str | None = Field(None, description="Has no meaning: every key is read as it is.")
    max_keys: int = Field(PAGE, ge=1, description="How many keys are looked at.")
    expected_bucket_owner: str | None = Field(None, description="Account that must own the bucket.")
    regexp: str | None = Field(None, description="Regular expression that the whole key matches.")
    filter: Literal["FILES", "DIRECTORY", "BOTH"] = Field("BOTH", description="DIRECTORY: keys that end with /.")
    max_files: int = Field(25, ge=1, description="How many objects are taken; what is beyond is told in the log.")

    @field_validator("regexp")
    @classmethod
    def _compiles(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                regex.compile(text)
            except regex.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return text

    def means(self, key: str) -> bool:
        """Whether a key is one of those that are meant. Raises TaskError for an expression that takes too long."""
        if self.filter != "BOTH" and key.endswith("/") is not (self.filter == "DIRECTORY"):
            return False
        try:
            return self.regexp is None or regex.fullmatch(self.regexp, key, timeout=MATCH_SECONDS) is not None
        except TimeoutError:
            raise TaskError(f"regexp: it takes too long on the key '{key}'; write one that can't try so much") from None


class Listing(Connection, Filters):
    """Objects of a bucket."""

    async def found(self, ctx: Context, client: Client) -> list[S3Object]:
        """The objects that are meant, in the order of their keys, at most `maxFiles`."""
        objects: list[S3Object] = []
        looked_at = 0
        with told(f"s3://{self.bucket}/{self.prefix or ''}"):
            async for entry in entries(client, self.page_options()):
                looked_at += 1
                if looked_at > self.max_keys:
                    ctx.log(f"More than {self.max_keys} keys: those after '{entry['Key']}' are left out", "WARN")
                    break
                if not self.means(entry["Key"]):
                    continue
                if len(objects) == self.max_files:
                    ctx.log(f"Too many files to process: only the first {self.max_files} are taken", "WARN")
                    break
                objects.append(object_of(entry))
        ctx.metric("s3.objects.count", len(objects))
        return objects

    def page_options(self) -> dict[str, Any]:
        """What to ask of the store."""
        return {
            "Bucket": self.bucket,
            "MaxKeys": min(PAGE, self.max_keys + 1),
            **self.more(
                Prefix=self.prefix,
                Delimiter=self.delimiter,
                StartAfter=self.marker,
                ExpectedBucketOwner=self.expected_bucket_owner,
            ),
        }


async def entries(client: Client, options: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """What the store says of each object, page by page."""
    token: str | None = None
    while True:
        page = await client.list_objects_v2(**options, **given(ContinuationToken=token))
        for entry in page.get("Contents", ()):
            yield entry
        token = page.get("NextContinuationToken")
        if not page.get("IsTruncated") or token is None:
            return


def object_of(entry: Mapping[str, Any]) -> S3Object:
    owner = entry.get("Owner")
    algorithms = entry.get("ChecksumAlgorithm") or ()
    return S3Object(
        key=entry["Key"],
        etag=entry["ETag"].strip('"'),
        size=entry["Size"],
        last_modified=entry.get("LastModified"),
        owner=Owner(id=owner.get("ID"), display_name=owner.get("DisplayName")) if owner else None,
        checksum_algorithm=algorithms[0] if algorithms else None,
    )
