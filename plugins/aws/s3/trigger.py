"""Executions started by objects that appear in a bucket, each version of them once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import regex
from pydantic import Field, field_validator

from engine.plugin import Audit, Duration, PollContext, PollingTrigger, Preview
from plugins.aws.s3.account import audited, previewed
from plugins.aws.s3.buckets import Place
from plugins.aws.s3.globs import as_regex
from plugins.aws.s3.listing import PAGE, Listing
from plugins.aws.s3.watch import Watch

SETTLE = 5000
DAY = 86_400_000


class Trigger(Listing, PollingTrigger):
    """Start an execution for each batch of objects that are new or have changed, each version of an object once.

    `maxFiles` is the size of a batch; however many objects there are, all of them are taken.
    """

    action: Literal["NONE", "MOVE", "DELETE"] = Field(
        "NONE", description="What becomes of the objects once an execution has them."
    )
    move_to: Place | None = Field(None, description="Bucket and folder, for MOVE.")
    on: Literal["CREATE", "UPDATE", "CREATE_OR_UPDATE"] = Field(
        "CREATE_OR_UPDATE", description="Whether objects count that are new, that have changed, or both."
    )
    state_key: str | None = Field(
        None, description="Triggers of a namespace with the same key share what they have seen."
    )
    state_ttl: Duration = Field(
        30 * DAY, description="How long an object that is gone is remembered; by default 30 days."
    )
    glob: str | None = Field(
        None, description="Pattern that the whole key matches: `*` and `?` within a folder, `**` across, `[0-9]`."
    )
    version_key: Literal["etag", "versionId", "lastModified"] = Field(
        "etag", description="What tells two versions of an object apart."
    )
    initial: Literal["PROCESS", "BASELINE"] = Field(
        "PROCESS", description="BASELINE: leave alone what is there before the first look, or newly covered."
    )
    settle: Duration | None = Field(
        None,
        description="An object must be seen unchanged again after so long. By default 5 seconds, on AWS not at all.",
    )
    reprocess_after: Duration | None = Field(
        None, description="Objects that are still there count again after so long."
    )
    fetch: Literal["STORE", "NONE"] = Field(
        "STORE", description="Whether objects are copied into internal storage, or only named."
    )
    action_on: Literal["CREATED", "SUCCESS"] = Field(
        "CREATED", description="Whether `action` follows the start of the execution or its good end."
    )
    on_conflict: Literal["FAIL", "SUFFIX", "OVERWRITE"] | None = Field(
        None, description="What MOVE does where something else lies at the target already."
    )
    max_in_flight: int | None = Field(None, ge=1, description="How many executions may run; other batches wait.")
    max_keys: int = Field(1000, ge=1, description="How many keys a page of a listing has; 1,000 at most.")
    max_files: int = Field(25, ge=1, description="How many objects an execution gets at most.")

    @field_validator("settle", "state_ttl", "reprocess_after")
    @classmethod
    def _in_years(cls, milliseconds: int | None) -> int | None:
        if milliseconds is not None and milliseconds > 3660 * DAY:
            raise ValueError("must be ten years at most")
        return milliseconds

    @field_validator("glob")
    @classmethod
    def _is_glob(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                regex.compile(as_regex(text))
            except regex.error as error:
                raise ValueError(f"is no pattern: {error}") from None
        return text

    @classmethod
    def diagnose(cls, raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A target of MOVE that is missing, or that the trigger would watch."""
        to = raw.get("moveTo")
        if raw.get("action") == "MOVE":
            if not isinstance(to, Mapping) or not (to.get("key") or to.get("bucket")):
                yield ("action",), "MOVE needs `moveTo` with a bucket, a key (the folder), or both"
            elif isinstance(to, Mapping) and _watches(raw, to):
                text = "moveTo is inside of what the trigger watches: move elsewhere, or give a prefix, regexp or glob"
                yield ("moveTo",), text
        elif to is not None and raw.get("action") in (None, "NONE", "DELETE"):
            yield ("moveTo",), "moveTo has no meaning without `action: MOVE`"

    @property
    def settle_milliseconds(self) -> int:
        """How long an object must stay unchanged."""
        elsewhere = self.endpoint_override is not None and "amazonaws.com" not in self.endpoint_override
        return self.settle if self.settle is not None else SETTLE if elsewhere else 0

    @property
    def target_folder(self) -> str | None:
        """What keys of moved objects begin with, if they stay in this bucket."""
        if self.action != "MOVE" or self.move_to is None or self.move_to.bucket not in (None, self.bucket):
            return None
        folder = (self.move_to.key or "").rstrip("/")
        return f"{folder}/" if folder else None

    def means(self, key: str) -> bool:
        """Whether a key is one of those that are meant. Raises TaskError for an expression that takes too long."""
        if self.target_folder is not None and key.startswith(self.target_folder):
            return False
        if self.glob is not None and regex.fullmatch(as_regex(self.glob), key) is None:
            return False
        return super().means(key)

    def takes(self, key: str, size: int) -> bool:
        """The same for an object; those that only stand for a folder are left out unless they are asked for."""
        if "filter" not in self.model_fields_set and key.endswith("/") and size == 0:
            return False
        return self.means(key)

    def page_options(self) -> dict[str, Any]:
        """What to ask of the store."""
        return {**super().page_options(), "MaxKeys": min(PAGE, self.max_keys)}

    async def poll(self, ctx: PollContext) -> int | None:
        async with self.client() as client:
            return await Watch(self, ctx, client).run()

    async def audit(self, ctx: PollContext) -> Audit:
        async with self.client() as client:
            return await audited(self, ctx, client)

    async def preview(self, ctx: PollContext) -> Preview:
        async with self.client() as client:
            return await previewed(self, ctx, client)


def _watches(raw: Mapping[str, Any], to: Mapping[str, Any]) -> bool:
    """Whether a moved object would be listed again, as far as that stands in the flow."""
    bucket, target, prefix = to.get("bucket"), to.get("key"), raw.get("prefix") or ""
    texts = [str(it) for it in (bucket, target, prefix, raw.get("bucket")) if it is not None]
    if any("{{" in text for text in texts) or raw.get("regexp") or raw.get("glob"):
        return False
    folder = f"{str(target or '').rstrip('/')}/".lstrip("/") if target else ""
    delimiter = raw.get("delimiter")
    if bucket not in (None, raw.get("bucket")) or not folder.startswith(str(prefix)):
        return False
    return not (delimiter and str(delimiter) in folder[len(str(prefix)) :])
