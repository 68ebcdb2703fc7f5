"""Files of internal storage: Write, Concat, Split, Reverse, Delete, Size, LocalFiles, PurgeCurrentExecutionFiles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.plugin.testing import TestRun, run_task
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from plugins.core import storage_cut
from plugins.core.storage import (
    Concat,
    Delete,
    LocalFiles,
    PurgeCurrentExecutionFiles,
    Reverse,
    Size,
    Split,
    Write,
)
from plugins.core.storage_cut import Cutter, Stopped, Turner, size_of
from support.running import run

FROM = {"from": "{{ inputs.file }}"}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with open_engine(tmp_path / "data", Settings()) as opened:
        yield opened


def content(ran: TestRun) -> bytes:
    assert ran.state == "SUCCESS", ran.messages
    return ran.files[ran.outputs["uri"]]


def pieces(ran: TestRun) -> list[bytes]:
    assert ran.state == "SUCCESS", ran.messages
    return [ran.files[uri] for uri in ran.outputs["uris"]]


async def test_a_text_is_written() -> None:
    ran = await run_task(Write, {"content": "{{ vars.x }} ü", "extension": ".txt"}, variables={"x": 1})
    assert content(ran) == "1 ü".encode()
    assert ran.outputs["uri"].endswith(".txt")


@pytest.mark.parametrize("files", [["{{ inputs.a }}", "{{ inputs.b }}"], '["{{ inputs.a }}", "{{ inputs.b }}"]'])
async def test_files_are_joined(files: list[str] | str) -> None:
    given = {"files": files, "separator": "\n", "extension": ".yml"}
    ran = await run_task(Concat, given, files={"a": b"one", "b": b"two\n"})
    assert content(ran) == b"one\ntwo\n\n"
    assert ran.outputs["uri"].endswith(".yml")


async def test_a_large_file_is_joined_as_it_is() -> None:
    large = bytes(range(256)) * 20_000
    ran = await run_task(Concat, {"files": ["{{ inputs.a }}", "{{ inputs.a }}"]}, files={"a": large})
    assert content(ran) == large * 2
    assert ran.outputs["uri"].endswith(".tmp")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("{{ '' }}", "Invalid internal storage uri, got null"),
        ("just text", "Invalid internal storage uri, got uri 'just text'"),
        ("s3://x/y", "Invalid internal storage scheme, got uri 's3://x/y'"),
        ("kestra:///none.txt", "file 'kestra:///none.txt' does not exist"),
    ],
)
async def test_what_is_no_file_is_said(uri: str, message: str) -> None:
    for ran in (await run_task(Size, {"uri": uri}), await run_task(Split, {"from": uri, "rows": 1})):
        assert ran.state == "FAILED"
        assert ran.messages[0].startswith(message)
    listed = await run_task(Concat, {"files": "kestra:///a"})
    assert listed.messages == ["files: a text must be a JSON list of URIs, but is 'kestra:///a'"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"rows": 2}, [b"1\n22\n", b"3\n4\n", b"5\n"]),
        ({"rows": "{{ 1 + 4 }}"}, [b"1\n22\n3\n4\n5\n"]),
        ({"partitions": 2}, [b"1\n3\n5\n", b"22\n4\n"]),
        ({"partitions": 9}, [b"1\n", b"22\n", b"3\n", b"4\n", b"5\n"]),
        ({"bytes": "4"}, [b"1\n22\n", b"3\n4\n", b"5\n"]),
        ({"bytes": 1, "partitions": 2, "rows": 3}, [b"1\n", b"22\n", b"3\n", b"4\n", b"5\n"]),
        ({"bytes": "10MB"}, [b"1\n22\n3\n4\n5\n"]),
        ({"rows": 3, "separator": "|"}, [b"1|22|3|", b"4|5|"]),
    ],
)
async def test_a_file_is_cut(how: dict[str, object], expected: list[bytes]) -> None:
    ran = await run_task(Split, {**FROM, **how}, files={"file": b"1\n22\r\n3\n4\n5"})
    assert pieces(ran) == expected


async def test_pieces_hold_every_line_and_have_the_extension(engine: Engine) -> None:
    lines = [f"{number:>20}\n" for number in range(1000)]
    text = "".join(lines)
    record = await run(
        engine,
        "id: cut\nnamespace: shop\ntasks:\n"
        '  - {id: write, type: core.storage.Write, content: "{{ vars.text }}", extension: .yml}\n'
        '  - {id: turn, type: core.storage.Split, from: "{{ outputs.write.uri }}", partitions: 8}\n'
        '  - {id: rows, type: core.storage.Split, from: "{{ outputs.write.uri }}", rows: 10}\n'
        '  - {id: join, type: core.storage.Concat, files: "{{ outputs.rows.uris }}"}\n'
        f"variables: {{text: {text!r}}}\n".replace("'", '"'),
    )
    turns, rows = ((record.runs[id].outputs or {})["uris"] for id in ("turn", "rows"))
    assert (len(turns), len(rows)) == (8, 100)
    assert all(uri.endswith(".yml") for uri in turns + rows)
    read = [b"".join([chunk async for chunk in engine.files.read(uri)]).decode() for uri in turns]
    assert sorted(line for part in read for line in part.splitlines(keepends=True)) == sorted(lines)
    joined = (record.runs["join"].outputs or {})["uri"]
    assert b"".join([chunk async for chunk in engine.files.read(joined)]).decode() == text


async def test_an_empty_file_has_no_pieces() -> None:
    assert pieces(await run_task(Split, {**FROM, "rows": 1}, files={"file": b""})) == []
    assert pieces(await run_task(Split, {**FROM, "partitions": 3}, files={"file": b""})) == []


async def test_a_cut_without_a_measure_fails() -> None:
    ran = await run_task(Split, FROM, files={"file": b"x"})
    assert ran.messages == ["Invalid configuration with no size, count, nor rows"]
    ran = await run_task(Split, {**FROM, "bytes": "much"}, files={"file": b"x"})
    assert ran.messages == ["bytes: must be a size such as 10MB or 4096, but is 'much'"]


def test_sizes_are_read_with_their_units() -> None:
    assert [size_of(text) for text in ("7", "7B", "2 kb", "1MB", "1 GiB", "3K")] == [7, 7, 2048, 2**20, 2**30, 3072]


def test_partitions_are_appended_to_when_much_is_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_cut, "WAITING_BYTES", 64)
    source = tmp_path / "source"
    source.write_bytes(b"".join(b"%d\n" % number for number in range(1000)))
    cutter = Cutter(source=source, folder=tmp_path / "pieces", separator=b"\n", size=None, partitions=300, rows=None)
    made = cutter.run()
    assert len(made) == 300
    assert made[7].read_bytes() == b"7\n307\n607\n907\n"


def test_stopped_work_ends(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"1\n2\n")
    cutter = Cutter(source=source, folder=tmp_path / "pieces", separator=b"\n", size=None, partitions=None, rows=1)
    turner = Turner(source, tmp_path / "target", "\n", "UTF-8")
    for work in (cutter, turner):
        work.stop()
        with pytest.raises(Stopped):
            work.run()


@pytest.mark.parametrize(
    ("before", "more", "after"),
    [
        (b"1\n2\n3\n", {}, b"3\n2\n1\n"),
        (b"1\n\n3", {}, b"3\n\n1\n"),
        (b"\n", {}, b"\n"),
        (b"", {}, b""),
        (b"1||2||3", {"separator": "||"}, b"3||2||1||"),
        ("ä\nö\n".encode("latin-1"), {"charset": "ISO-8859-1"}, "ö\nä\n".encode("latin-1")),
        ("Ċ\nb\n".encode("utf-16"), {"charset": "UTF-16"}, "b\nĊ\n".encode("utf-16")),
        ("\u0a0a\nb".encode("utf-16-be"), {"charset": "UTF-16BE"}, "b\n\u0a0a\n".encode("utf-16-be")),
    ],
)
async def test_a_file_is_turned_round(before: bytes, more: dict[str, str], after: bytes) -> None:
    assert content(await run_task(Reverse, {**FROM, **more}, files={"file": before})) == after


async def test_a_turn_needs_to_know_how_lines_end() -> None:
    ran = await run_task(Reverse, {**FROM, "charset": "none"}, files={"file": b"x"})
    assert ran.messages == ["charset: 'none' is not an encoding that can write the separator"]
    ran = await run_task(Reverse, {**FROM, "separator": ""}, files={"file": b"x"})
    assert ran.messages == ["separator: must not be empty"]


async def test_a_file_is_deleted_once(engine: Engine) -> None:
    record = await run(
        engine,
        "id: cut\nnamespace: shop\ntasks:\n"
        "  - {id: write, type: core.storage.Write, content: x}\n"
        '  - {id: first, type: core.storage.Delete, uri: "{{ outputs.write.uri }}"}\n'
        '  - {id: second, type: core.storage.Delete, uri: "{{ outputs.write.uri }}"}\n'
        '  - {id: folder, type: core.storage.Delete, uri: "kestra:///shop"}\n'
        '  - {id: third, type: core.storage.Delete, uri: "{{ outputs.write.uri }}", errorOnMissing: true}\n',
    )
    uri = (record.runs["write"].outputs or {})["uri"]
    assert record.runs["first"].outputs == {"uri": uri, "deleted": True}
    assert record.runs["second"].outputs == {"uri": uri, "deleted": False}
    assert record.runs["folder"].outputs == {"uri": "kestra:///shop", "deleted": False}
    assert record.runs["third"].attempts[-1].error == f"Unable to find file '{uri}'"


async def test_deleting_nothing_is_said() -> None:
    ran = await run_task(Delete, {"uri": "kestra:///none", "errorOnMissing": True})
    assert (ran.state, ran.messages) == ("FAILED", ["Unable to find file 'kestra:///none'"])


async def test_the_size_is_in_bytes() -> None:
    ran = await run_task(Size, {"uri": "{{ inputs.file }}"}, files={"file": "ü".encode() * 21})
    assert ran.outputs == {"size": 42}


async def test_local_files_are_made_and_kept() -> None:
    ran = await run_task(
        LocalFiles,
        {
            "inputs": {"test/a.txt": "Hello", "test/sub/b.txt": "{{ vars.x }}", "test/c.yml": "{{ inputs.file }}"},
            "outputs": ["test/**"],
        },
        variables={"x": "tata"},
        files={"file": b"stored"},
    )
    kept = {name: ran.files[uri] for name, uri in ran.outputs["uris"].items()}
    assert kept == {"test/a.txt": b"Hello", "test/sub/b.txt": b"tata", "test/c.yml": b"stored"}
    ran = await run_task(LocalFiles, {"inputs": '{"a.txt": "json"}', "outputs": ["*.txt"]})
    assert [ran.files[uri] for uri in ran.outputs["uris"].values()] == [b"json"]


async def test_all_files_of_the_execution_are_purged(engine: Engine) -> None:
    record = await run(
        engine,
        "id: tidy\nnamespace: shop\ntasks:\n"
        "  - {id: write, type: core.storage.Write, content: x}\n"
        "  - {id: purge, type: io.kestra.plugin.core.storage.PurgeExecution}\n",
    )
    assert record.runs["purge"].outputs == {"uris": [(record.runs["write"].outputs or {})["uri"]]}
    assert [info for info in await engine.files.list("kestra:///shop") if "executions" in info.address] == []


async def test_purging_where_nothing_is_gives_nothing() -> None:
    assert (await run_task(PurgeCurrentExecutionFiles)).outputs == {"uris": []}


async def test_a_cut_can_be_killed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    began = anyio.Event()

    def endless(cutter: Cutter) -> list[Path]:
        anyio.from_thread.run_sync(began.set)
        while not cutter._stopped:
            pass
        raise Stopped

    monkeypatch.setattr(Cutter, "run", endless)
    await engine.control.save_flow(
        "id: cut\nnamespace: shop\ntasks:\n"
        "  - {id: write, type: core.storage.Write, content: x}\n"
        '  - {id: cut, type: core.storage.Split, from: "{{ outputs.write.uri }}", rows: 1}\n'
    )
    execution = await engine.control.create("shop", "cut")
    with anyio.fail_after(20):
        await began.wait()
        await engine.control.kill(execution.id)
        assert (await engine.control.wait(execution.id)).state.value == "KILLED"
