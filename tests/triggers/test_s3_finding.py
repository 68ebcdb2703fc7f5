"""The S3 trigger finds every object, each version of it once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from engine.clock import ManualClock
from engine.errors import InvalidFlow, TaskError
from plugins.aws.s3 import pages
from support.faulty_store import refused
from support.watching import Watched, watching


@pytest.fixture
async def watched(tmp_path: Path, s3_address: str) -> AsyncIterator[Watched]:
    async with watching(tmp_path, s3_address) as opened:
        yield opened


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
async def test_s3_01_each_object_fires_once(watched: Watched, count: int) -> None:
    keys = [f"in/{number:05}.csv" for number in range(count)]
    await watched.put(*keys)
    await watched.save(prefix="in/", maxFiles=500, fetch="NONE")
    await watched.poll()
    assert [key for batch in await watched.batches() for key in batch] == keys
    await watched.poll()
    assert len(await watched.executions()) == -(-count // 500)
    await watched.proved()


async def test_s3_02_max_files_is_the_size_of_a_batch(watched: Watched) -> None:
    keys = [f"{number:03}" for number in range(60)]
    await watched.put(*keys)
    await watched.save()
    assert (await watched.poll()).started == 3
    assert await watched.batches() == [keys[:25], keys[25:50], keys[50:]]
    await watched.put("zzz")
    await watched.poll()
    assert (await watched.batches())[3:] == [["zzz"]]
    await watched.proved()


async def test_s3_03_max_keys_is_the_size_of_a_page(watched: Watched) -> None:
    await watched.put(*"abcde")
    await watched.save(maxKeys=2, regexp="[de]")
    await watched.poll()
    assert await watched.batches() == [["d", "e"]]
    listings = [query for method, query in watched.door.requests if "list-type=2" in query]
    assert len(listings) == 3
    assert all("max-keys=2" in query for query in listings)


async def test_s3_05_no_date_decides_whether_an_object_fires(watched: Watched) -> None:
    await watched.save()
    await watched.put("b", "d")
    await watched.poll()
    # These come in the same second, and before and behind those that are known.
    await watched.put("a", "c", "e")
    await watched.poll()
    await watched.put("e", content=b"newest, written anew")
    await watched.poll()
    await watched.delete("e")
    await watched.poll()
    await watched.put("0")
    await watched.poll()
    assert await watched.batches() == [["b", "d"], ["a", "c", "e"], ["e"], ["0"]]
    await watched.proved()


async def test_s3_06_a_listing_goes_on_where_the_store_failed(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FIRST_PAUSE_SECONDS", 0.01)
    await watched.put(*"abcdef")
    await watched.save(maxKeys=1)
    failures = 0

    async def fail(request: web.Request) -> web.StreamResponse | None:
        nonlocal failures
        if "continuation-token" in request.query and failures < 5:
            failures += 1
            return refused("SlowDown", 503)
        return None

    watched.door.before = fail
    await watched.poll()
    assert (failures, await watched.batches()) == (5, [list("abcdef")])
    assert len([1 for _, query in watched.door.requests if "list-type" in query and "continuation" not in query]) == 1


async def test_s3_06_a_listing_that_is_given_up_shows_nothing_as_gone_and_holds_up_nothing(watched: Watched) -> None:
    await watched.put("a", "c", "d", "e")
    await watched.save(maxKeys=1)
    await watched.poll()
    await watched.delete("a", "e")
    await watched.put("b")

    async def fail(request: web.Request) -> web.StreamResponse | None:
        return refused("AccessDenied", 403) if "continuation-token" in request.query else None

    watched.door.before = fail
    with pytest.raises(TaskError, match="AccessDenied"):
        await watched.poll()
    assert set((await watched.states()).values()) == {"DONE"}
    assert (await watched.batches())[1:] == [["b"]]


async def test_s3_07_a_store_may_list_in_any_order(watched: Watched) -> None:
    await watched.put(*"abcdef")
    await watched.save(maxKeys=2)

    async def reverse(request: web.Request, content: bytes) -> bytes:
        if "list-type" not in request.query:
            return content
        before, *parts = content.split(b"<Contents>")
        if not parts:
            return content
        last, mark, after = parts[-1].rpartition(b"</Contents>")
        entries = [*parts[:-1], last + mark]
        return before + b"".join(b"<Contents>" + it for it in reversed(entries)) + after

    watched.door.after = reverse
    await watched.poll()
    assert await watched.batches() == [list("abcdef")]
    await watched.delete("c")
    await watched.put("b", content=b"other")
    await watched.poll()
    assert ((await watched.states())["c"], (await watched.batches())[1:]) == ("GONE", [["b"]])
    await watched.proved()


async def test_s3_08_an_object_that_has_to_settle_fires_when_it_was_seen_unchanged(
    tmp_path: Path, s3_address: str
) -> None:
    clock = ManualClock()
    async with watching(tmp_path, s3_address, clock) as watched:
        await watched.save(settle=None)
        await watched.put("a", "b")
        again = (await watched.poll()).again
        assert again == clock.now() + 5000
        clock.advance(4.9)
        await watched.poll()
        assert await watched.executions() == []
        await watched.put("b", content=b"still written")
        clock.advance(0.1)
        await watched.poll()
        clock.advance(5)
        await watched.poll()
        assert await watched.batches() == [["a"], ["b"]]
        assert await watched.stored((await watched.last())["uri"]) == b"still written"


ODD = (
    "space here", "plus+plus", "percent%2Fencoded", "hash#hash", "question?mark", "quote'\"", "..dots", "é", "e\u0301",
    "\U0001f600", "a&b<c>", "/".join("x" * 200 for _ in range(4)), "comma,semi;colon:", "tab\tline",
)  # fmt: skip


async def test_s3_09_keys_may_be_anything(watched: Watched) -> None:
    await watched.put(*(f"odd/{key}" for key in ODD))
    there = await watched.keys()
    await watched.save(prefix="odd/", action="MOVE", moveTo={"key": "done"}, dialect=2)
    await watched.poll()
    (objects,) = await watched.objects()
    assert [it["key"] for it in objects] == there
    for it in objects:
        assert await watched.stored(it["uri"]) == it["key"].encode()
    assert await watched.keys() == sorted((f"done/{key.removeprefix('odd/')}" for key in there), key=str.encode)
    await watched.proved()


async def test_s3_10_what_stands_for_a_folder_is_left_out_unless_it_is_asked_for(watched: Watched) -> None:
    await watched.put("dir/", "empty", content=b"")
    await watched.save()
    await watched.poll()
    assert await watched.batches() == [["empty"]]
    await watched.save(filter="BOTH")
    await watched.poll()
    assert (await watched.batches())[1:] == [["dir/"]]


async def test_s3_11_keys_are_chosen_by_prefix_delimiter_regexp_and_glob(watched: Watched) -> None:
    await watched.put("in/a1.csv", "in/b.csv", "in/a2.txt", "in/deep/a3.csv", "in/deep/er/a4.csv", "out/a5.csv")
    choices = {
        "one": {"prefix": "in/", "delimiter": "/"},
        "two": {"regexp": r"in/.*\.csv"},
        "three": {"glob": "in/*[0-9].csv"},
        "four": {"glob": "in/**/a[0-9].csv"},
        "five": {"glob": "**.csv", "regexp": "out.*"},
    }
    for flow, properties in choices.items():
        await watched.save(flow=flow, **properties)
        await watched.poll(flow)
    assert {flow: (await watched.batches(flow))[0] for flow in choices} == {
        "one": ["in/a1.csv", "in/a2.txt", "in/b.csv"],
        "two": ["in/a1.csv", "in/b.csv", "in/deep/a3.csv", "in/deep/er/a4.csv"],
        "three": ["in/a1.csv"],
        "four": ["in/a1.csv", "in/deep/a3.csv", "in/deep/er/a4.csv"],
        "five": ["out/a5.csv"],
    }
    for flow in choices:
        await watched.proved(flow)
    with pytest.raises(InvalidFlow, match="regexp"):
        await watched.save(regexp="in/(")


async def test_tr_06_an_interval_has_a_range(watched: Watched) -> None:
    for interval in ("PT0S", "P367D", "soon"):
        with pytest.raises(InvalidFlow, match="interval"):
            await watched.save(interval=interval)


async def test_s3_14_what_is_known_must_be_readable(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import Unavailable

    await watched.put("a")
    await watched.save()
    await watched.poll()

    async def broken(*_: object) -> None:
        raise Unavailable("The database can't answer")

    with monkeypatch.context() as patched:
        patched.setattr("engine.store.ledger.Ledger.compare", broken)
        with pytest.raises(Unavailable):
            await watched.poll()
    await watched.poll()
    assert await watched.batches() == [["a"]]
