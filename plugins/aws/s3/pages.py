"""A bucket's listing, page by page, however often the store fails meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio

from engine.plugin import Listed, TaskError, monotonic
from plugins.aws.s3.connection import Client, given, told

# A page that can't be had is asked for again, later each time, for so long: less than a poll may stand still.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
PATIENCE_SECONDS = 540.0

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATER = frozenset(
    {
        "SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestLimitExceeded", "InternalError",
        "ServiceUnavailable", "ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed",
    }
)  # fmt: skip
"""What passes by itself, or with new keys."""


async def pages(
    client: Client,
    options: Mapping[str, Any],
    versions: bool = False,
    failed: Callable[[str], None] = lambda _text: None,
) -> AsyncIterator[list[Listed]]:
    """The objects of a bucket in the order of the store; with `versions` the latest version of each.

    options: of the request, see `Listing.page_options`; failed: told of each failure that is not the end
    Raises TaskError where a page can't be had for long, or ever.
    """
    place: dict[str, Any] = {}
    while True:
        page = await _page(client, {**options, **place}, versions, failed)
        entries = page.get("Versions" if versions else "Contents") or ()
        yield [_listed(entry) for entry in entries if entry.get("IsLatest", True)]
        if versions:
            place = given(KeyMarker=page.get("NextKeyMarker"), VersionIdMarker=page.get("NextVersionIdMarker"))
        else:
            place = given(ContinuationToken=page.get("NextContinuationToken"))
        if not page.get("IsTruncated") or not place:
            return


async def _page(
    client: Client, options: Mapping[str, Any], versions: bool, failed: Callable[[str], None]
) -> Mapping[str, Any]:
    pause, give_up = FIRST_PAUSE_SECONDS, monotonic() + PATIENCE_SECONDS
    if versions:
        start = options.get("StartAfter")
        options = {"KeyMarker": start, **options} if start and "KeyMarker" not in options else dict(options)
        options = {name: it for name, it in options.items() if name != "StartAfter"}
    ask = client.list_object_versions if versions else client.list_objects_v2
    while True:
        try:
            with told(f"s3://{options['Bucket']}/{options.get('Prefix', '')}"):
                try:
                    page: Mapping[str, Any] = await ask(**options)
                    return page
                except Exception as error:
                    passing = _passes(error)
                    raise
        except TaskError as error:
            if not passing or monotonic() + pause > give_up:
                raise
            failed(str(error))
        await anyio.sleep(pause)
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    from aiohttp import ClientError as Broken
    from botocore.exceptions import ClientError, HTTPClientError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error.response.get("Error", {}).get("Code") in LATER
    return isinstance(error, HTTPClientError | Broken | OSError)


def _listed(entry: Mapping[str, Any]) -> Listed:
    modified = entry.get("LastModified")
    at = None if modified is None else round((modified - EPOCH).total_seconds() * 1000)
    return Listed(entry["Key"], entry["ETag"].strip('"'), entry["Size"], at, entry.get("VersionId"))
