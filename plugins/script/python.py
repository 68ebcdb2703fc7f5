"""Python scripts, in an environment of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine.plugin import Context, PythonEnvironment, Template
from plugins.script.commands import ScriptTask, texts, write_text

# Values of expressions stand in scripts as JSON.
JSON_WORDS = re.compile(r"\b(?:true|false|null)\b")
JSON_NAMES = "true, false, null = True, False, None\n"
FUTURE = re.compile(r"^from __future__ import (?:\([^)]*\)|[^\n]*)\n?", re.MULTILINE)


class PythonTask(ScriptTask):
    """What Script and Commands share."""

    dependencies: list[str] | None = Field(None, description="Packages that the script needs, as pip takes them.")
    python_version: str | None = Field(None, description="Version of Python, as 3.12; that of the engine by default.")
    dependency_cache_enabled: bool = Field(True, description="Has no effect: environments are always kept.")
    package_manager: Literal["UV", "PIP"] = Field("UV", description="Has no effect: uv does the work.")
    uv_auto_install_enabled: bool | None = Field(None, description="Has no effect.")
    uv_installer_version: str | None = Field(None, description="Has no effect.")
    uv_installer_sha256: str | None = Field(None, description="Has no effect.")

    variables_of_language: ClassVar[Mapping[str, str]] = {
        "PYTHONUNBUFFERED": "true",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }

    async def _python(self, ctx: Context, before: Sequence[str]) -> PythonEnvironment:
        return await ctx.programs.python(
            version=self.python_version, before=before, dependencies=self.dependencies or ()
        )


class Script(PythonTask):
    """Run a Python script.

    `beforeCommands` run before it in the same shell; what they install is kept for the next run.
    """

    script: str | Template = Field(description="The script.")

    script_file: ClassVar[str | None] = ".script.py"

    async def _commands(self, ctx: Context, variables: Mapping[str, Any]) -> list[str]:
        assert self.script_file is not None
        source = await ctx.folder.localize(str(await ctx.render(self.script, **variables)))
        await write_text(ctx.folder.path / self.script_file, with_json_names(source))
        return [f"python {self.script_file}"]


class Commands(PythonTask):
    """Run commands that see a Python environment: `python main.py`."""

    commands: list[str] | Template = Field(description="The commands.")

    async def _commands(self, ctx: Context, variables: Mapping[str, Any]) -> list[str]:
        return await texts(ctx, "commands", self.commands, variables)


def with_json_names(source: str) -> str:
    """A script whose `true`, `false` and `null` mean what they mean in JSON, where it has such words."""
    if not JSON_WORDS.search(source):
        return source
    future = [found.end() for found in FUTURE.finditer(source)]
    at = future[-1] if future else 0
    return source[:at] + JSON_NAMES + source[at:]
