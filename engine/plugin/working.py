"""Where a task works: its folder, and programs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

OnLine = Callable[[Literal["stdout", "stderr"], str], None]


class Folder(Protocol):
    """The private working directory of this attempt; made at first use, removed at the end."""

    @property
    def path(self) -> Path: ...

    def resolve(self, name: str) -> Path:
        """The local path of a relative name. Raises TaskError for one that leads outside."""
        ...

    async def find(self, patterns: Sequence[str]) -> list[str]:
        """Relative paths of the files that match Java globs below this folder, sorted."""
        ...

    async def write(self, files: Any) -> None:
        """Put `inputFiles` here: a map of name to URI, text or null; a list of URIs; or JSON text of either."""
        ...

    async def localize(self, text: str) -> str:
        """`text` with each internal storage URI in it replaced by the local path of a copy."""
        ...

    async def collect(self, patterns: Sequence[str]) -> dict[str, str]:
        """Store the files that match Java globs below this folder: relative path to URI. No match is not an error."""
        ...

    async def keep(self, patterns: Sequence[str]) -> bool:
        """Keep the files that match for later runs of this task; False where they are what is kept already."""
        ...

    async def recall(self, ttl: int | None = None) -> bool:
        """Put back what an earlier run kept, unless it was longer than `ttl` milliseconds ago; whether there was any.

        Each value of a loop has its own.
        """
        ...


class PythonEnvironment(NamedTuple):
    """A Python environment for scripts: its interpreter and what to add to the script's variables."""

    python: Path
    variables: Mapping[str, str]
    default: bool


class Programs(Protocol):
    """Programs on this machine, killed with everything they started when the attempt is cancelled."""

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, on_line: OnLine) -> int:
        """Run a program with exactly these variables; exit code, negative for a signal."""
        ...

    async def run_ahead(self, script: Path, *, env: Mapping[str, str], cwd: Path, on_line: OnLine) -> int:
        """Run a Python script of the default environment in an interpreter started ahead, or a fresh one."""
        ...

    async def python(
        self, *, version: str | None = None, before: Sequence[str] = (), dependencies: Sequence[str] = ()
    ) -> PythonEnvironment:
        """The environment for what is asked, built at first use. The default one when nothing is asked."""
        ...

    def environment(self, python: PythonEnvironment | None, env: Mapping[str, str]) -> dict[str, str]:
        """Variables of a script: the few it may inherit, those of the Python environment, then `env`."""
        ...
