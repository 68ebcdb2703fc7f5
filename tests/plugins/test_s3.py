"""Tasks on S3, against a real server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from engine.plugin import Task
from engine.plugin.testing import TestRun, run_task
from plugins.aws.s3 import Copy, CreateBucket, Delete, DeleteList, Download, Downloads, List, Upload, transfer
from support.object_store import client


class Store:
    """A bucket of its own, and tasks that know where it is."""

    def __init__(self, address: str, s3: Any) -> None:
        self.s3 = s3
        self.bucket = f"test-{uuid4().hex[:12]}"
        self.place = {
            "endpointOverride": address,
            "forcePathStyle": True,
            "accessKeyId": "key",
            "secretKeyId": "secret",
            "bucket": self.bucket,
        }

    async def put(self, *keys: str, content: bytes | None = None) -> None:
        for key in keys:
            await self.s3.put_object(Bucket=self.bucket, Key=key, Body=key.encode() if content is None else content)

    async def keys(self) -> list[str]:
        page = await self.s3.list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in page.get("Contents", ())]

    async def content(self, key: str) -> bytes:
        answer = await self.s3.get_object(Bucket=self.bucket, Key=key)
        content: bytes = await answer["Body"].read()
        return content

    async def run(self, task: type[Task], files: Mapping[str, bytes] | None = None, **properties: Any) -> TestRun:
        given = {name.rstrip("_"): value for name, value in properties.items()}
        return await run_task(task, {**self.place, **given}, files=files)


@pytest.fixture
async def store(s3_address: str) -> AsyncIterator[Store]:
    async with client(s3_address) as s3:
        store = Store(s3_address, s3)
        await s3.create_bucket(Bucket=store.bucket)
        yield store


async def test_a_file_goes_up_and_comes_down_with_what_is_known_of_it(store: Store) -> None:
    up = await store.run(
        Upload,
        files={"data": b"a,b\n1,2\n"},
        from_="{{ inputs.data }}",
        key="in/data.csv",
        contentType="text/csv",
        metadata={"made": "here"},
    )
    assert up.outputs["key"] == "in/data.csv"
    down = await store.run(Download, key="in/data.csv")
    outputs = down.outputs
    assert down.files[outputs["uri"]] == b"a,b\n1,2\n"
    assert outputs["uri"].endswith("/data.csv")
    assert (outputs["contentLength"], outputs["contentType"]) == (8, "text/csv")
    assert outputs["metadata"] == {"made": "here"}
    assert outputs["eTag"] == up.outputs["eTag"] != ""


async def test_several_files_go_up_below_a_key(store: Store) -> None:
    files = {"one": b"1", "two": b"22"}
    named = json.dumps({"a/one.txt": "{{ inputs.one }}", "two.txt": "{{ inputs.two }}"})
    for given in ({"a/one.txt": "{{ inputs.one }}", "two.txt": "{{ inputs.two }}"}, named):
        ran = await store.run(Upload, files=files, from_=given, key="runs/1")
        assert {name: it["contentLength"] for name, it in ran.outputs["files"].items()} == {
            "a/one.txt": 1,
            "two.txt": 2,
        }
    assert await store.keys() == ["runs/1/a/one.txt", "runs/1/two.txt"]


async def test_one_file_of_a_collection_gets_the_whole_key(store: Store) -> None:
    ran = await store.run(Upload, files={"one": b"1"}, from_=["{{ inputs.one }}"], key="the/key")
    assert (ran.outputs["bucket"], ran.outputs["key"]) == (store.bucket, "the/key")
    assert await store.keys() == ["the/key"]


async def test_a_large_file_goes_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PART", 5 * 1024 * 1024)
    content = bytes(range(256)) * 4096 * 11 + b"end"
    up = await store.run(Upload, files={"data": content}, from_="{{ inputs.data }}", key="large")
    assert up.state == "SUCCESS"
    assert "-" in up.outputs["eTag"]
    down = await store.run(Download, key="large")
    assert down.files[down.outputs["uri"]] == content


async def test_a_download_that_breaks_off_goes_on_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 4096 * 3
    await store.put("large", content=content)
    answer = await store.s3.get_object(Bucket=store.bucket, Key="large")
    answer["Body"].close()
    asked: list[str | None] = []

    class Breaking:
        """A client whose first answers end too soon."""

        async def get_object(self, **options: Any) -> Any:
            asked.append(options.get("Range"))
            start = int(options.get("Range", "bytes=0-")[6:-1])
            part = await store.s3.get_object(
                **{**options, "Range": f"bytes={start}-{min(start + 1_500_000, len(content)) - 1}"}
            )
            return {**part, "ContentLength": len(content)}

    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0)
    read = await transfer.opened(Breaking(), {"Bucket": store.bucket, "Key": "large"})
    assert b"".join([chunk async for chunk in read.chunks]) == content
    assert asked == [None, "bytes=1500000-", "bytes=3000000-"]


async def test_objects_are_listed_in_order_filtered_and_counted(store: Store) -> None:
    await store.put("in/b.csv", "in/a.csv", "in/c.txt", "out/d.csv")
    ran = await store.run(List, prefix="in/", regexp=r".*\.csv")
    assert [it["key"] for it in ran.outputs["objects"]] == ["in/a.csv", "in/b.csv"]
    assert ran.outputs["objects"][0]["size"] == len("in/a.csv")
    assert [(it.name, it.value) for it in ran.metrics] == [("s3.objects.count", 2)]


async def test_what_is_beyond_the_limits_is_told(store: Store) -> None:
    await store.put("a", "b", "c")
    few = await store.run(List, maxFiles=2)
    assert [it["key"] for it in few.outputs["objects"]] == ["a", "b"]
    assert "Too many files to process: only the first 2 are taken" in few.messages
    looked = await store.run(List, maxKeys=1)
    assert [it["key"] for it in looked.outputs["objects"]] == ["a"]
    assert "More than 1 keys: those after 'b' are left out" in looked.messages


async def test_more_than_a_page_is_listed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.aws.s3.listing.PAGE", 3)
    await store.put(*[f"k{number:02}" for number in range(10)])
    ran = await store.run(List, maxFiles=100)
    assert len(ran.outputs["objects"]) == 10


async def test_several_objects_come_down_by_prefix(store: Store) -> None:
    await store.put("in/a/x.csv", "in/b/x.csv")
    ran = await store.run(Download, prefix="in/")
    files = ran.outputs["files"]
    assert {key: ran.files[it["uri"]] for key, it in files.items()} == {
        "in/a/x.csv": b"in/a/x.csv",
        "in/b/x.csv": b"in/b/x.csv",
    }


async def test_downloaded_objects_move_and_none_replaces_another(store: Store) -> None:
    await store.put("in/a/x.csv", "in/b/x.csv")
    ran = await store.run(Downloads, prefix="in/", action="MOVE", moveTo={"key": "done"})
    assert [it["key"] for it in ran.outputs["objects"]] == ["in/a/x.csv", "in/b/x.csv"]
    assert ran.files[ran.outputs["outputFiles"]["in/b/x.csv"]] == b"in/b/x.csv"
    assert await store.keys() == ["done/x-2.csv", "done/x.csv"]
    assert await store.content("done/x-2.csv") == b"in/b/x.csv"


async def test_downloaded_objects_are_deleted(store: Store) -> None:
    await store.put("in/a.csv", "other")
    assert (await store.run(Downloads, prefix="in/", action="DELETE")).state == "SUCCESS"
    assert await store.keys() == ["other"]


async def test_odd_keys_come_through_once_each(store: Store) -> None:
    odd = ["in/a b+c.csv", "in/%2F#?.csv", "in/'quoted\".csv", "in/é😀.csv", "in/.hidden", "in/x..y"]
    await store.put(*odd)
    ran = await store.run(Downloads, prefix="in/", action="MOVE", moveTo={"key": "done"})
    assert ran.state == "SUCCESS", ran.messages
    assert {key: ran.files[uri] for key, uri in ran.outputs["outputFiles"].items()} == {
        key: key.encode() for key in odd
    }
    assert len([key for key in await store.keys() if key.startswith("done/")]) == len(odd)


@pytest.mark.parametrize("largest", [None, 10])
async def test_an_object_is_copied_and_moved(
    store: Store, monkeypatch: pytest.MonkeyPatch, largest: int | None
) -> None:
    if largest is not None:
        monkeypatch.setattr(transfer, "LARGEST_COPY", largest)
        monkeypatch.setattr(transfer, "COPIED_PART", 5 * 1024 * 1024)
    content = b"0123456789" * 600_000
    await store.put("a", content=content)
    ran = await store.run(Copy, from_={"key": "a"}, to={"key": "b"})
    assert (ran.outputs["key"], await store.content("b")) == ("b", content)
    await store.run(Copy, from_={"bucket": store.bucket, "key": "b"}, to={"key": "c"}, delete=True)
    assert await store.keys() == ["a", "c"]


async def test_an_object_is_not_moved_onto_itself(store: Store) -> None:
    await store.put("a")
    ran = await store.run(Copy, from_={"key": "a"}, delete=True)
    assert ran.state == "FAILED"
    assert await store.keys() == ["a"]


async def test_objects_are_deleted(store: Store) -> None:
    await store.put("in/a", "in/b", "other")
    assert (await store.run(Delete, key="not there")).state == "SUCCESS"
    assert (await store.run(Delete, key="other")).state == "SUCCESS"
    ran = await store.run(DeleteList, prefix="in/", concurrent=2)
    assert ran.outputs == {"count": 2, "size": 8}
    assert await store.keys() == []
    empty = await store.run(DeleteList, prefix="in/", errorOnEmpty=True)
    assert (empty.state, "there is nothing to delete" in empty.messages[-1]) == ("FAILED", True)


async def test_a_bucket_is_created(store: Store) -> None:
    name = f"{store.bucket}-more"
    assert (await store.run(CreateBucket, bucket=name)).outputs["bucket"] == name
    assert (await store.s3.list_objects_v2(Bucket=name))["KeyCount"] == 0


async def test_what_the_store_refuses_is_one_sentence_without_keys(store: Store) -> None:
    ran = await store.run(Download, key="missing.csv")
    assert ran.state == "FAILED"
    assert f"s3://{store.bucket}/missing.csv: GetObject: NoSuchKey: " in ran.messages[-1]
    assert "secret" not in "".join(ran.messages)
    away = await store.run(List, endpointOverride="http://127.0.0.1:1")
    assert "http://127.0.0.1:1" in away.messages[-1]
    assert "can't be reached" in away.messages[-1]


async def test_what_is_to_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.aws.s3.connection.find_spec", lambda name: None)
    ran = await run_task(List, {"bucket": "some"})
    assert ran.messages[-1].endswith("pip install 'tidegate[s3]'")
