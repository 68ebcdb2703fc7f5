"""Interpreters started ahead: a script must not see a difference to `python script.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import msgspec
import pytest

from engine.runtime.scripts.environments import Environments
from engine.runtime.scripts.interpreters import Interpreters
from engine.settings import Process, Settings

OWN = {"PATH": os.environ["PATH"], "HOME": "/", "LANG": "C.UTF-8"}


class Bench:
    """Interpreters, and fresh ones to compare with."""

    def __init__(self, folder: Path, count: int = 2) -> None:
        self.folder = folder
        self.settings = msgspec.structs.replace(Settings(), process=Process(prestart=count))
        self.environments = Environments(folder / "environments", self.settings, OWN)
        self.interpreters = Interpreters(self.environments, self.settings)

    def script(self, text: str) -> Path:
        file = self.folder / "work" / "script.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    async def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        return self.environments.variables(await self.environments.get(), env)

    async def run(self, text: str, **env: str) -> tuple[int, list[tuple[str, str]]]:
        """Exit code and lines of a script in an interpreter as tasks get it."""
        lines: list[tuple[str, str]] = []
        file = self.script(text)
        code = await self.interpreters.run(
            file, cwd=file.parent, env=await self.variables(env), on_line=lambda *line: lines.append(line)
        )
        return code, lines

    async def fresh(self, text: str, **env: str) -> tuple[int, list[tuple[str, str]]]:
        """The same of `python script.py`."""
        python = await self.environments.get()
        file = self.script(text)
        done = await anyio.run_process(
            [str(python.python), str(file)], cwd=file.parent, env=await self.variables(env), check=False
        )
        out = [("stdout", line) for line in done.stdout.decode().splitlines()]
        return done.returncode, out + [("stderr", line) for line in done.stderr.decode().splitlines()]


async def pids_of(interpreters: Interpreters) -> set[int]:
    """Process ids of those that wait."""
    pids = set()
    for fork in interpreters._waiting:
        child = await fork.ready()
        assert child is not None
        pids.add(child.pid)
    return pids


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with bench.interpreters:
        # The first script starts them.
        assert await bench.run("print('first')") == (0, [("stdout", "first")])
        yield bench


SAME = {
    "names": "print(__name__, __file__, sorted(globals()), __doc__, __spec__, type(__loader__))",
    "docstring": "'''Says what it is.'''\nprint(__doc__)",
    "main": "import sys\nclass A: pass\nprint(A, sys.modules['__main__'].A is A)",
    "arguments": "import sys; print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.prefix)",
    "flags": "import sys; print(sys.flags, sys.warnoptions, sys.flags.dont_write_bytecode)",
    "modules": "import sys; print(sorted(sys.modules))",
    "place": "import os; print(os.getcwd(), sorted(os.environ.items()), os.environb[b'NAME'])",
    "child": "import subprocess; print(subprocess.run(['env'], capture_output=True, text=True).stdout)",
    "encodings": "import sys; print([(f.encoding, f.errors, f.line_buffering, f.isatty()) for f in "
    "(sys.stdin, sys.stdout, sys.stderr)]); print('é€')",
    "input": "import sys; print(repr(sys.stdin.read()))",
    "time zone": "import time; print(time.tzname, time.localtime(0).tm_hour)",
    "handles": "import os; print(sorted(h for h in range(64) if os.path.exists(f'/dev/fd/{h}')))",
    "signals": "import signal; print([signal.getsignal(n) for n in (1, 2, 13, 15)])",
    "group": "import os; print(os.getpid() == os.getpgid(0) or 'not the first')",
    "exit": "import sys; sys.exit(3)",
    "exit with a word": "import sys; sys.exit('no luck')",
    "exit without": "raise SystemExit",
    "at exit": "import atexit; atexit.register(print, 'bye'); print('hi')",
    "thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "error": "def f():\n    raise ValueError('bad')\n\nf()\n",
    "chain": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e\n",
    "context": "try:\n    {}['x']\nexcept KeyError:\n    undefined\n",
    "group of errors": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "own hook": "import sys\nsys.excepthook = lambda t, v, b: print('hook', t, v, b.tb_lineno)\n\nraise OSError('x')",
    "syntax": "print('never')\nthis is no python\n",
    "no text": "print('never')\nx = '\\x00'\n# coding",
    "killed": "import os; print('x', flush=True); os.kill(os.getpid(), 9)",
    "interrupted": "raise KeyboardInterrupt",
    "future": "def f(x: nonsense): pass",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(1))",
    "pickle": "import pickle\nclass P: pass\nprint(type(pickle.loads(pickle.dumps(P()))) is P)",
    "processes": "import multiprocessing as m\ndef f(q): q.put(__name__)\nif __name__ == '__main__':\n"
    "    m.set_start_method('spawn'); q = m.Queue(); p = m.Process(target=f, args=(q,)); p.start()\n"
    "    print(q.get()); p.join(); print(p.exitcode)",
}


@pytest.mark.parametrize("name", SAME)
async def test_a_script_runs_as_in_a_fresh_interpreter(bench: Bench, name: str) -> None:
    env = {"NAME": "väl=ue\nwith lines", "EMPTY": "", "TZ": "Asia/Tokyo"}
    code, lines = await bench.run(SAME[name], **env)
    expected = await bench.fresh(SAME[name], **env)
    if name == "group":
        # What is compared with was started without a group of its own.
        expected = (0, [("stdout", "True")])
    # The two outputs may come in any order between them.
    assert (code, sorted(lines, key=lambda line: line[0], reverse=True)) == expected


async def test_a_waiting_interpreter_is_used_and_never_again(bench: Bench) -> None:
    assert len(bench.interpreters._waiting) == 2
    waiting = await pids_of(bench.interpreters)
    pids = [int((await bench.run("import os; print(os.getpid())"))[1][0][1]) for _ in range(6)]
    assert set(pids[:2]) == waiting
    assert len(set(pids)) == 6
    assert len(bench.interpreters._waiting) == 2


async def test_one_that_died_is_passed_over(bench: Bench) -> None:
    for pid in await pids_of(bench.interpreters):
        os.kill(pid, signal.SIGKILL)
    with anyio.fail_after(5):
        for fork in bench.interpreters._waiting:
            while fork.poll() is None:
                await fork.ended()
    for _ in range(3):
        assert await bench.run("print(1)") == (0, [("stdout", "1")])


async def test_a_script_goes_on_when_others_need_other_variables(bench: Bench) -> None:
    codes: list[int] = []
    began = anyio.Event()
    file = bench.folder / "slow.py"
    file.write_text("import sys, time\nprint('on', flush=True)\ntime.sleep(0.5)\nsys.exit(7)")
    env = await bench.variables({})

    async def slow() -> None:
        codes.append(
            await bench.interpreters.run(file, cwd=bench.folder, env=env, on_line=lambda source, line: began.set())
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow)
        await began.wait()
        assert await bench.run("print(1)", PYTHONHASHSEED="1") == (0, [("stdout", "1")])
        assert codes == []
    assert codes == [7]


async def test_many_scripts_at_once(bench: Bench) -> None:
    ends: list[int] = []
    file = bench.script("import os, sys; print(os.getpid()); sys.exit(5)")
    env = await bench.variables({})
    pids: set[str] = set()

    async def one() -> None:
        ends.append(
            await bench.interpreters.run(file, cwd=bench.folder, env=env, on_line=lambda source, line: pids.add(line))
        )

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(one)
    assert ends == [5] * 30
    assert len(pids) == 30


async def test_what_they_are_forked_from_is_started_again(bench: Bench) -> None:
    assert bench.interpreters._parent is not None
    os.kill(bench.interpreters._parent._child.pid, signal.SIGKILL)
    for _ in range(4):
        assert await bench.run("print(1)") == (0, [("stdout", "1")])
    waiting = await pids_of(bench.interpreters)
    assert int((await bench.run("import os; print(os.getpid())"))[1][0][1]) in waiting


@pytest.mark.parametrize("env", [{"PYTHONHASHSEED": "0"}, {"LANG": "C"}, {"BIG": "x" * 100_000}])
async def test_what_must_be_known_at_the_start_takes_a_fresh_one(bench: Bench, env: dict[str, str]) -> None:
    waiting = await pids_of(bench.interpreters)
    name = next(iter(env))
    code, lines = await bench.run(f"import os; print(os.getpid(), len(os.environ['{name}']))", **env)
    pid, size = lines[0][1].split()
    assert code == 0
    assert int(size) == len(env[name])
    assert int(pid) not in waiting


async def test_the_waiting_ones_follow_what_scripts_need_at_the_start(bench: Bench) -> None:
    text = "import os, sys; print(os.getpid(), sys.dont_write_bytecode, 'PYTHONDONTWRITEBYTECODE' in os.environ)"
    for _ in range(4):
        waiting = await pids_of(bench.interpreters)
        pid, *rest = (await bench.run(text, PYTHONDONTWRITEBYTECODE="1"))[1][0][1].split()
        assert rest == ["True", "True"]
    assert int(pid) in waiting
    assert (await bench.run(text))[1][0][1].split()[1:] == ["False", "False"]
    assert len(bench.interpreters._waiting) == 2


async def test_none_is_started_ahead_when_turned_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, count=0)
    async with bench.interpreters:
        assert await bench.run("print(1)") == (0, [("stdout", "1")])
        assert not bench.interpreters._waiting


async def test_waiting_interpreters_end_with_the_engine(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.interpreters:
        await bench.run("pass")
        pids = await pids_of(bench.interpreters)
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_script_that_ignores_sigterm_is_killed(bench: Bench) -> None:
    bench.interpreters._grace = 0.2
    began = anyio.Event()
    pids: list[int] = []

    def on_line(_source: str, line: str) -> None:
        pids.append(int(line))
        began.set()

    file = bench.script(
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\ntime.sleep(300)"
    )
    env = await bench.variables({})
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await bench.interpreters.run(file, cwd=file.parent, env=env, on_line=on_line)

        tasks.start_soon(run)
        await began.wait()
        tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_waiting_interpreters_end_with_a_killed_engine(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import anyio, os, pathlib, signal\n"
        "from engine.runtime.scripts.environments import Environments\n"
        "from engine.runtime.scripts.interpreters import Interpreters\n"
        "from engine.settings import Settings\n"
        "async def main():\n"
        f"    folder = pathlib.Path({str(tmp_path)!r})\n"
        "    (folder / 'script.py').write_text('pass')\n"
        "    environments = Environments(folder / 'environments', Settings())\n"
        "    async with Interpreters(environments, Settings()) as interpreters:\n"
        "        env = environments.variables(await environments.get(), {})\n"
        "        await interpreters.run(folder / 'script.py', cwd=folder, env=env, on_line=print)\n"
        "        print(*[(await fork.ready()).pid for fork in interpreters._waiting], flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    for _ in range(1000):
        if not any(map(_runs, pids)):
            break
        subprocess.run(["sleep", "0.01"])
    assert not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
