"""The S3 trigger remembers versions of objects, fetches each once, and keeps bad ones from the others."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from engine.clock import ManualClock
from engine.errors import ExpressionError
from engine.state.status import Status
from support.faulty_store import refused
from support.watching import Watched, watching


@pytest.fixture
async def watched(tmp_path: Path, s3_address: str) -> AsyncIterator[Watched]:
    async with watching(tmp_path, s3_address, ManualClock()) as opened:
        yield opened


async def fired(watched: Watched, flow: str = "flow") -> list[tuple[str, str]]:
    """Key and kind of change of all objects that fired."""
    return [(it["key"], it["changeType"]) for batch in await watched.objects(flow) for it in batch]


async def changes(watched: Watched, flow: str) -> None:
    await watched.poll(flow)
    await watched.put("a", content=b"two")
    await watched.poll(flow)
    await watched.delete("a")
    await watched.poll(flow)
    await watched.put("a", content=b"two")
    await watched.poll(flow)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("CREATE", [("a", "CREATE"), ("a", "CREATE")]),
        ("UPDATE", [("a", "UPDATE")]),
        ("CREATE_OR_UPDATE", [("a", "CREATE"), ("a", "UPDATE"), ("a", "CREATE")]),
    ],
)
async def test_s3_15_it_fires_for_what_is_new_or_has_changed(
    watched: Watched, on: str, expected: list[tuple[str, str]]
) -> None:
    await watched.put("a", content=b"one")
    await watched.save(on=on)
    await changes(watched, "flow")
    assert await fired(watched) == expected
    await watched.proved()


async def test_s3_15_the_version_before_is_told(watched: Watched) -> None:
    await watched.put("a", content=b"one")
    await watched.save()
    await watched.poll()
    await watched.put("a", content=b"two")
    await watched.poll()
    found = await watched.last()
    assert found["etag"] == hashlib.md5(b"two").hexdigest()
    assert found["previousEtag"] == hashlib.md5(b"one").hexdigest()
    assert found["sha256"] == hashlib.sha256(b"two").hexdigest()
    assert (found["bucket"], found["size"], found["lastModified"][-1]) == (watched.bucket, 3, "Z")


@pytest.mark.parametrize("by", ["etag", "versionId", "lastModified"])
async def test_s3_15_an_equal_upload_counts_if_versions_are_told_apart_otherwise(watched: Watched, by: str) -> None:
    if by == "versionId":
        versioning = {"Bucket": watched.bucket, "VersioningConfiguration": {"Status": "Enabled"}}
        await watched.s3.put_bucket_versioning(**versioning)
    await watched.put("a", "b")
    await watched.save(versionKey=by)
    await watched.poll()
    first = (await watched.s3.head_object(Bucket=watched.bucket, Key="a"))["LastModified"]
    while (await watched.s3.head_object(Bucket=watched.bucket, Key="a"))["LastModified"] == first:
        await watched.put("a")
    await watched.poll()
    await watched.poll()
    assert (await watched.batches())[1:] == ([] if by == "etag" else [["a"]])
    versions = {it["versionId"] for batch in await watched.objects() for it in batch if "versionId" in it}
    assert len(versions) == (3 if by == "versionId" else 0)


async def test_s3_16_an_object_that_stays_is_never_forgotten_but_may_be_asked_for_again(watched: Watched) -> None:
    await watched.put("a")
    await watched.save(stateTtl="PT1M")
    await watched.save(flow="again", reprocessAfter="PT1H")
    for _ in range(2):
        await watched.poll()
        await watched.poll("again")
        watched.clock.advance(3601)  # type: ignore[attr-defined]
    assert (len(await watched.executions()), len(await watched.executions("again"))) == (1, 2)


async def test_s3_17_what_was_there_before_may_be_left_alone(watched: Watched) -> None:
    await watched.put("in/a.csv", "in/b.txt", "old/c.csv")
    await watched.save(initial="BASELINE", prefix="in/", regexp=r".*\.csv")
    await watched.poll()
    assert await watched.executions() == []
    await watched.put("in/new.csv", "in/new.txt")
    # What the trigger covers now and did not before was there before; the new file would have been seen anyway.
    await watched.save(initial="BASELINE")
    await watched.poll()
    assert await watched.batches() == [["in/new.csv"]]
    await watched.put("old/newer.csv")
    await watched.save(initial="BASELINE", prefix="old/", interval="PT5M", action="DELETE")
    await watched.poll()
    assert (await watched.batches())[1:] == [["old/newer.csv"]]


async def test_s3_17_a_preview_tells_how_many_will_fire(watched: Watched) -> None:
    await watched.put(*(f"{number:02}.csv" for number in range(30)), "no.txt")
    await watched.save(regexp=r".*\.csv")
    found = await watched.engine.polls.preview("test", "flow", "watch")
    assert (found.items, found.executions, found.first[0]) == (30, 2, "00.csv")
    await watched.poll()
    again = await watched.engine.polls.preview("test", "flow", "watch")
    assert (again.items, again.executions, again.first) == (0, 0, [])
    assert len(await watched.executions()) == 2


async def test_s3_18_triggers_are_independent_unless_they_share_a_key(watched: Watched) -> None:
    await watched.put("a", "b", "c")
    for flow in ("one", "two"):
        await watched.save(flow=flow)
        await watched.save(flow=f"shared_{flow}", stateKey="ours", maxFiles=1)
    for flow in ("one", "two", "shared_one", "shared_two"):
        await watched.poll(flow)
    await watched.put("d")
    await watched.poll("shared_two")
    await watched.poll("shared_one")
    assert await watched.batches("one") == await watched.batches("two") == [["a", "b", "c"]]
    assert await watched.batches("shared_one") == [["a"], ["b"], ["c"]]
    assert await watched.batches("shared_two") == [["d"]]


async def test_tr_08_edits_of_the_flow_fire_nothing_again(watched: Watched) -> None:
    await watched.put("a")
    await watched.save()
    await watched.poll()
    await watched.save(interval="PT3M", more={"description": "other"}, secretKeyId="another")
    await watched.poll()
    await watched.engine.store.flows.delete("test", "flow", watched.clock.now())
    await watched.save()
    await watched.poll()
    assert len(await watched.executions()) == 1


async def test_s3_19_what_is_fetched_is_what_was_listed(watched: Watched) -> None:
    await watched.put("a", "b", content=b"listed")
    await watched.save(maxFiles=2)

    async def overwrite(request: web.Request) -> web.StreamResponse | None:
        if request.method == "GET" and request.path.endswith("/a"):
            watched.door.before = passing
            await watched.put("a", content=b"newer")
        return None

    passing = watched.door.before
    watched.door.before = overwrite
    await watched.poll()
    assert await watched.batches() == [["b"]]
    watched.clock.advance(1)  # type: ignore[attr-defined]
    await watched.poll()
    assert await watched.stored((await watched.last())["uri"]) == b"newer"
    assert await fired(watched) == [("b", "CREATE"), ("a", "CREATE")]
    await watched.proved()


async def test_s3_21_a_bad_object_is_tried_again_while_the_others_fire(watched: Watched) -> None:
    keys = [f"{number:02}" for number in range(25)]
    await watched.put(*keys)
    await watched.save()

    async def deny(request: web.Request) -> web.StreamResponse | None:
        denied = request.method == "GET" and request.path.endswith("/07")
        return refused("InvalidObjectState", 403) if denied else None

    passing, watched.door.before = watched.door.before, deny
    await watched.poll()
    assert await watched.batches() == [[key for key in keys if key != "07"]]
    assert (await watched.states())["07"] == "FAILED"
    watched.clock.advance(59)  # type: ignore[attr-defined]
    watched.door.before = passing
    await watched.poll()
    assert len(await watched.executions()) == 1
    watched.clock.advance(1)  # type: ignore[attr-defined]
    await watched.poll()
    assert (await watched.batches())[1:] == [["07"]]
    await watched.proved()


async def test_what_is_written_as_templates_is_rendered_before_each_look(watched: Watched) -> None:
    await watched.put("a")
    variables = {"variables": {"bucket": watched.bucket, "most": 1}}
    await watched.save(bucket="{{ vars.bucket }}", maxFiles="{{ vars.most }}", more=variables)
    await watched.poll()
    await watched.poll()
    assert await watched.batches() == [["a"]]
    await watched.save(bucket="{{ vars.nothing }}", more=variables)
    with pytest.raises(ExpressionError, match="nothing"):
        await watched.poll()


async def test_s3_22_objects_may_be_named_only(watched: Watched) -> None:
    await watched.put("a")
    await watched.save(fetch="NONE")
    await watched.poll()
    found = await watched.last()
    assert (found["uri"], found.get("sha256")) == (f"s3://{watched.bucket}/a", None)
    assert [path for method, path in watched.door.requests if method == "GET" and path.endswith("/a")] == []


async def test_tr_10_when_decides_on_batches_and_conditions_on_looking(watched: Watched) -> None:
    await watched.put("a")
    await watched.save(dialect=2, when="{{ trigger.objects[0].key != 'a' }}")
    await watched.poll()
    await watched.put("b")
    await watched.poll()
    assert (await watched.batches(), (await watched.states())["a"]) == ([["b"]], "FILTERED")
    never = [{"type": "io.kestra.plugin.core.condition.Expression", "expression": "{{ false }}"}]
    await watched.save(flow="never", conditions=never)
    await watched.poll("never")
    assert await watched.executions("never") == []
    await watched.save(flow="never")
    await watched.poll("never")
    assert await watched.batches("never") == [["a", "b"]]


async def test_s3_32_a_running_execution_holds_up_the_others_if_that_is_written(watched: Watched) -> None:
    await watched.put("a", "b", "c")
    pause = [{"id": "pause", "type": "io.kestra.plugin.core.flow.Pause"}]
    await watched.save(maxFiles=1, more={"tasks": pause}, allowConcurrent=False)
    await watched.save(flow="free", maxFiles=1, more={"tasks": pause})
    await watched.save(flow="two", maxFiles=1, more={"tasks": pause}, maxInFlight=2)
    for flow, expected in (("flow", 1), ("free", 3), ("two", 2)):
        await watched.poll(flow)
        await watched.poll(flow)
        assert len(await watched.executions(flow)) == expected
    assert await watched.states() == {"a": "DONE", "b": "READY", "c": "NEW"}
    (first,) = await watched.executions()
    await watched.engine.control.resume(first.id)
    assert (await watched.engine.control.wait(first.id)).state is Status.SUCCESS
    await watched.poll()
    assert await watched.batches() == [["a"], ["b"]]
    await watched.proved("free")
