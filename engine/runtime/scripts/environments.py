"""Python environments for scripts, and the variables that a script sees.

An environment is a folder made by uv, one for each combination of Python version, commands that prepare the task,
dependencies and requirement files: flows with different needs never meet, and a task that ran before finds everything
there. The default one, for tasks that ask for nothing, has no packages at all. None shows what the engine itself uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import anyio
import anyio.to_thread

from engine.errors import TaskError
from engine.ids import derived_id
from engine.plugin.working import PythonEnvironment
from engine.runtime.scripts.pip import add_pip
from engine.runtime.scripts.process import run_process
from engine.settings import Settings

# Environments made in another shape than this must not be used.
SHAPE = 1
CACHE = "cache"
LOCK_SECONDS = 0.02
REASON_LINES = 8
UNUSED_SECONDS = 30 * 24 * 3600

INHERITED = frozenset(
    {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "ALL_PROXY"}
)
INHERITED_PATTERN = re.compile(r"LC_\w+|\w+_PROXY|\w+_proxy|SSL_CERT_\w+|PIP_\w+|UV_\w+")
# What belongs to the engine's own interpreter or configuration, and misleads or tells a script.
OWN_PATTERN = re.compile(r"VIRTUAL_ENV\w*|PYTHON\w+|__PYVENV_LAUNCHER__|TIDEGATE_\w+")
FILE_PATTERN = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]*([^\s;&|'\"]+)")


class _Needs(NamedTuple):
    version: str | None
    before: tuple[str, ...]
    dependencies: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def none(self) -> bool:
        return not (self.version or self.before or self.dependencies)


class Environments:
    """The environments below a folder, shared by all processes on it."""

    def __init__(self, folder: Path, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder.absolute()
        self._grace = settings.worker.grace_seconds
        self._base = Path(getattr(sys, "_base_executable", None) or sys.executable)
        self._uv = find_uv()
        self._variables = inherited(settings.process.inherit, environment)

    async def get(
        self,
        *,
        version: str | None = None,
        before: Sequence[str] = (),
        dependencies: Sequence[str] = (),
        folder: Path | None = None,
    ) -> PythonEnvironment:
        """The environment for what is asked, built at first use; the default one when nothing is.

        version: as uv takes it, `3.12` for example; the engine's own by default
        before: rendered commands that prepare the task, run elsewhere
        dependencies: packages to install
        folder: where `before` runs; requirement files that it names there are part of what is asked

        Raises TaskError when Python or a package can't be had.
        """
        if version is not None and _is_own(version):
            version = None
        files: Sequence[str] = ()
        if folder is not None and before:
            files = await anyio.to_thread.run_sync(_hashes, before, folder)
            before = _anywhere(before, folder)
        needs = _Needs(version, tuple(before), tuple(dependencies), tuple(files))
        place = self._folder / self._key(needs)
        if not _complete(place):
            await self._build(place, needs)
        return PythonEnvironment(place / "bin" / "python", self._own_variables(place), needs.none)

    def variables(self, python: PythonEnvironment | None, env: Mapping[str, str]) -> dict[str, str]:
        """Variables of a script: what it may inherit, what its Python environment adds, then `env`."""
        return {**self._variables, **(python.variables if python is not None else {}), **env}

    def _key(self, needs: _Needs) -> str:
        if needs.none:
            return f"default-{derived_id(SHAPE, self._base, sys.version, self._uv)}"
        return derived_id(SHAPE, self._base, sys.version, self._uv, *map(repr, needs))

    def _own_variables(self, place: Path) -> dict[str, str]:
        path = self._variables.get("PATH", os.defpath)
        # Unbuffered, for lines are to be seen as they are printed.
        return {
            "PATH": f"{place / 'bin'}{os.pathsep}{path}",
            "VIRTUAL_ENV": str(place),
            "PYTHONUNBUFFERED": "true",
        }

    async def _build(self, place: Path, needs: _Needs) -> None:
        """Make an environment elsewhere and give it its name, once among all processes."""
        await anyio.Path(self._folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        async with _locked(place.with_name(f"{place.name}.lock")):
            if _complete(place):
                return
            unfinished = place.with_name(f"{place.name}.unfinished")
            try:
                await _remove(unfinished, place)
                await self._make(unfinished, needs)
                await anyio.Path(unfinished).rename(place)
                await anyio.to_thread.run_sync(_remove_unused, place)
            finally:
                with anyio.CancelScope(shield=True):
                    await _remove(unfinished)

    async def _make(self, place: Path, needs: _Needs) -> None:
        wanted = needs.version or str(self._base)
        await self._run(
            [self._uv, "venv", "--relocatable", "--no-project", "--python", wanted, str(place)],
            f"Python {needs.version or 'for scripts'} can't be had",
        )
        await anyio.to_thread.run_sync(add_pip, place, self._uv, self._folder / CACHE, needs.none)
        if needs.dependencies:
            await self._run(
                [str(place / "bin" / "pip"), "install", *needs.dependencies],
                f"The dependencies {', '.join(needs.dependencies)} can't be installed",
            )

    async def _run(self, argv: Sequence[str], complaint: str) -> None:
        """Run uv. Raises TaskError with the complaint and uv's reason when it fails."""
        lines: list[str] = []
        code = await run_process(
            argv,
            env={"UV_CACHE_DIR": str(self._folder / CACHE), "UV_SYSTEM_CERTS": "1", **self._variables},
            cwd=self._folder,
            on_line=lambda _source, line: lines.append(line),
            grace=self._grace,
        )
        if code != 0:
            reason = " ".join(line.strip() for line in lines[-REASON_LINES:])
            raise TaskError(f"{complaint}: {reason or f'uv ended with exit code {code}'}")


def inherited(inherit: Iterable[str] | Literal["all"], environment: Mapping[str, str]) -> dict[str, str]:
    """What scripts see of the engine's variables: the basic ones and those of the setting `process.inherit`.

    PATH comes without the folder of the engine's own environment.
    """
    if inherit == "all":
        found = {name: value for name, value in environment.items() if not OWN_PATTERN.fullmatch(name)}
    else:
        wanted = INHERITED.union(inherit)
        found = {
            name: value for name, value in environment.items() if name in wanted or INHERITED_PATTERN.fullmatch(name)
        }
    if "PATH" in found:
        found["PATH"] = os.pathsep.join(
            folder for folder in found["PATH"].split(os.pathsep) if folder and not _is_engines(folder)
        )
    return found


def find_uv() -> str:
    """The uv that came with the engine, else the one on PATH."""
    import uv

    try:
        return uv.find_uv_bin()
    except FileNotFoundError:
        return shutil.which("uv") or "uv"


def _is_own(version: str) -> bool:
    """Whether the engine's Python is of a version like `3`, `3.12` or `3.12.1`."""
    own = sys.version_info
    return version in (f"{own.major}", f"{own.major}.{own.minor}", f"{own.major}.{own.minor}.{own.micro}")


def _is_engines(folder: str) -> bool:
    """Whether a folder on PATH belongs to the environment that the engine is installed in."""
    if sys.prefix == sys.base_prefix:
        return False
    return os.path.realpath(folder).startswith(os.path.realpath(sys.prefix) + os.sep)


def _complete(place: Path) -> bool:
    """Whether an environment is there and its interpreter, which lies elsewhere, still is too; marks it as used."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    return (place / "bin" / "python").exists()


def _remove_unused(new: Path) -> None:
    """Remove what nobody asked for in the last month; commands may hold a date or an id and never come again."""
    latest = new.stat().st_mtime
    for place in new.parent.glob("*/bin"):
        environment = place.parent
        if environment.stat().st_mtime < latest - UNUSED_SECONDS:
            shutil.rmtree(environment, ignore_errors=True)


def _anywhere(commands: Sequence[str], folder: Path) -> list[str]:
    """The commands without their folder: in that of another attempt they ask for the same."""
    return [command.replace(str(folder.absolute()), ".") for command in commands]


def _hashes(commands: Sequence[str], folder: Path) -> list[str]:
    """Hashes of the requirement files that commands name, and of those that these name."""
    found: dict[Path, str] = {}
    texts = [(folder, command) for command in reversed(commands)]
    while texts:
        place, text = texts.pop()
        for name in FILE_PATTERN.findall(text):
            file = (place / name).resolve()
            if file in found or not file.is_file():
                continue
            content = file.read_bytes()
            found[file] = hashlib.sha256(content).hexdigest()
            texts.append((file.parent, content.decode("utf-8", "replace")))
    return list(found.values())


async def _remove(*folders: Path) -> None:
    for folder in folders:
        if await anyio.Path(folder).exists():
            await anyio.to_thread.run_sync(shutil.rmtree, folder)


@asynccontextmanager
async def _locked(file: Path) -> AsyncIterator[None]:
    """Hold a lock that other processes, and others in this one, respect."""
    handle = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        # Waiting for it in a thread could not be cancelled.
        while not _try_lock(handle):  # noqa: ASYNC110
            await anyio.sleep(LOCK_SECONDS)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
