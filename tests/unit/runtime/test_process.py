"""Programs: their output, their end, and the end of all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from engine.errors import TaskError
from engine.runtime.scripts.process import CHUNK_BYTES, LINE_BYTES, run_process

ENV = {"PATH": os.defpath}
STUBBORN = "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $! $$; while :; do sleep 0.05; done"


class Lines:
    """What a program wrote, and an event for its first line."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []
        self.first = anyio.Event()

    def __call__(self, source: str, line: str) -> None:
        self.all.append((source, line))
        self.first.set()

    def of(self, source: str) -> list[str]:
        return [line for of, line in self.all if of == source]


async def shell(command: str, tmp_path: Path, on_line: Lines, grace: float = 5.0) -> int:
    return await run_process(["sh", "-c", command], env=ENV, cwd=tmp_path, on_line=on_line, grace=grace)


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asked for doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


async def gone(*pids: int) -> None:
    """Return when none of the processes runs."""
    with anyio.fail_after(10):
        while any(runs(pid) for pid in pids):
            await anyio.sleep(0.01)


async def test_both_outputs_come_as_lines_with_the_exit_code(tmp_path: Path) -> None:
    lines = Lines()
    assert await shell("echo one; echo two >&2; printf 'three\\n\\nlast'; exit 7", tmp_path, lines) == 7
    assert lines.of("stdout") == ["one", "three", "", "last"]
    assert lines.of("stderr") == ["two"]


async def test_lines_end_in_any_of_the_usual_ways(tmp_path: Path) -> None:
    lines = Lines()
    await shell("printf 'a\\r'; sleep 0.1; printf '\\nb\\rc\\r\\n\\nd\\r'", tmp_path, lines)
    assert lines.of("stdout") == ["a", "b", "c", "", "d"]


async def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    lines = Lines()
    await shell("printf 'caf\\303\\251 \\377 end\\n'", tmp_path, lines)
    assert lines.of("stdout") == ["café � end"]


async def test_a_character_cut_between_two_reads_stays_whole(tmp_path: Path) -> None:
    lines = Lines()
    await shell("printf '\\303'; sleep 0.1; printf '\\251\\n'", tmp_path, lines)
    assert lines.of("stdout") == ["é"]


async def test_an_endless_line_comes_in_pieces(tmp_path: Path) -> None:
    lines = Lines()
    size = LINE_BYTES * 2 + 100_000
    await shell(f"head -c {size} /dev/zero | tr '\\0' x", tmp_path, lines)
    pieces = lines.of("stdout")
    assert len(pieces) == 3
    assert max(map(len, pieces)) < LINE_BYTES + CHUNK_BYTES
    assert sum(map(len, pieces)) == size


async def test_a_lot_of_output_arrives_whole_and_in_order(tmp_path: Path) -> None:
    lines = Lines()
    await shell("seq 1 50000", tmp_path, lines)
    assert lines.of("stdout") == [str(number) for number in range(1, 50001)]


async def test_the_loop_goes_on_while_a_program_floods_it(tmp_path: Path) -> None:
    lines = Lines()
    ticks = 0
    with anyio.move_on_after(0.5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shell, "yes", tmp_path, lines)
            while True:
                await anyio.sleep(0.01)
                ticks += 1
    assert ticks > 5
    assert len(lines.all) > 1000


async def test_a_program_sees_exactly_its_variables_and_no_input(tmp_path: Path) -> None:
    lines = Lines()
    env = {"ONLY": "this"}
    assert await run_process(["/usr/bin/env"], env=env, cwd=tmp_path, on_line=lines, grace=5) == 0
    assert lines.of("stdout") == ["ONLY=this"]
    assert await shell("pwd; cat", tmp_path, lines) == 0
    assert lines.of("stdout")[1:] == [str(tmp_path.resolve())]


async def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert await shell("kill -SEGV $$", tmp_path, Lines()) == -signal.SIGSEGV


async def test_what_cannot_start_is_said(tmp_path: Path) -> None:
    async def start(program: str, cwd: Path = tmp_path, **env: str) -> None:
        await run_process([program], env={**ENV, **env}, cwd=cwd, on_line=Lines(), grace=5)

    with pytest.raises(TaskError, match="program 'no-such-program' doesn't exist here"):
        await start("no-such-program")
    with pytest.raises(TaskError, match=r"working directory .* doesn't exist"):
        await start("sh", tmp_path / "nowhere")
    (tmp_path / "plain").write_text("text")
    with pytest.raises(TaskError, match="can't be started: Permission denied"):
        await start("./plain")
    with pytest.raises(TaskError, match="these arguments and variables"):
        await start("sh", NAME="a\0b")


async def test_a_cancelled_program_may_tidy_up_and_is_heard(tmp_path: Path) -> None:
    lines = Lines()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell, "trap 'echo tidy; exit' TERM; echo on; while :; do sleep 0.01; done", tmp_path, lines)
        await lines.first.wait()
        tasks.cancel_scope.cancel()
    assert lines.of("stdout") == ["on", "tidy"]


async def test_a_tree_that_ignores_sigterm_is_dead_on_return(tmp_path: Path) -> None:
    lines = Lines()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shell, STUBBORN, tmp_path, lines, 0.2)
        await lines.first.wait()
        pids = [int(pid) for pid in lines.all[0][1].split()]
        assert all(map(runs, pids))
        tasks.cancel_scope.cancel()
    assert not any(map(runs, pids))


async def test_a_stopped_program_hears_sigterm(tmp_path: Path) -> None:
    lines = Lines()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shell, "trap 'echo tidy; exit' TERM; echo on; kill -STOP $$", tmp_path, lines, 30)
            await lines.first.wait()
            tasks.cancel_scope.cancel()
    assert lines.of("stdout") == ["on", "tidy"]


async def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    lines = Lines()
    with anyio.fail_after(10):
        assert await shell("sleep 300 & echo $!; exit 3", tmp_path, lines) == 3
    assert not runs(int(lines.all[0][1]))
    with anyio.fail_after(0.9):
        assert await shell("sleep 300 >/dev/null 2>&1 & echo $!", tmp_path, lines) == 0
    assert not runs(int(lines.all[1][1]))


async def test_output_that_follows_the_end_of_the_program_is_heard(tmp_path: Path) -> None:
    lines = Lines()
    await shell("(sleep 0.2; echo late) & echo early", tmp_path, lines)
    assert lines.of("stdout") == ["early", "late"]


@pytest.mark.skipif(sys.platform == "darwin", reason="needs the setsid program")
async def test_one_that_left_the_group_does_not_hold_the_call(tmp_path: Path) -> None:
    lines = Lines()
    with anyio.fail_after(5):
        assert await shell("setsid sleep 300 & echo $!", tmp_path, lines) == 0
    os.kill(int(lines.all[0][1]), signal.SIGKILL)


async def test_programs_die_with_a_killed_engine(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import anyio, pathlib\n"
        "from engine.runtime.scripts.process import run_process\n"
        "async def one(command):\n"
        "    await run_process(['sh', '-c', command], env={'PATH': '/usr/bin:/bin'}, cwd=pathlib.Path('/'),\n"
        "        on_line=lambda source, line: print(line, flush=True), grace=5)\n"
        "async def main():\n"
        "    async with anyio.create_task_group() as tasks:\n"
        "        await one('true')\n"
        f"        tasks.start_soon(one, {STUBBORN!r})\n"
        f"        tasks.start_soon(one, {STUBBORN!r})\n"
        "anyio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for _ in range(2) for pid in process.stdout.readline().split()]
        assert len(pids) == 4
        assert all(map(runs, pids))
        process.kill()
    await gone(*pids)
