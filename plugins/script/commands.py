"""What all script tasks share: their properties, one shell for all commands, files in and out."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import anyio
import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import (
    Context,
    Program,
    PythonEnvironment,
    Task,
    TaskError,
    TaskRunner,
    Template,
    installed,
)
from plugins.core.namespace_files import NamespaceFiles
from plugins.core.runner import Process
from plugins.script.protocol import Listener

# An argument of a program may be 128 KiB long on Linux.
ARGUMENT_BYTES = 100 * 1024
OUTPUT_DIR = ".output"
DOCKER = "scripts.runner.docker.Docker"
SHELL = ("/bin/sh", "-c")
INSTALLS = re.compile(r"\b(?:pip3?|uv)\b[^\n;&|]*\binstall\b")
GLOB = re.compile(r"[*?\[{]|^(glob|regex):")


class ScriptOutputs(BaseModel):
    """What a script leaves."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)

    vars: dict[str, Any] = Field(description='What the script handed over with lines `::{"outputs": {…}}::`.')
    exit_code: int = Field(description="Exit code of the last command.")
    output_files: dict[str, str] = Field(description="URIs of the files that match `outputFiles`, by relative path.")


class ScriptTask(Task):
    """What all script tasks share.

    In commands, scripts, `env` and `inputFiles`, expressions see `workingDir`, `outputDir` and `outputFiles['NAME']`.
    """

    before_commands: list[str] | Template | None = Field(
        None, description="Commands to run before the others, in the same shell."
    )
    env: dict[str, str] | Template | None = Field(None, description="Environment variables.")
    input_files: dict[str, Any] | list[str] | Template | None = Field(
        None, description="Files for the working directory: a map of name to URI or text, or a list of URIs."
    )
    output_files: list[str] | None = Field(None, description="Globs of the files to keep.")
    namespace_files: NamespaceFiles | None = Field(
        None, description="Files of namespaces for the working directory, as `{enabled: true, include: [sql/**]}`."
    )
    interpreter: list[str] = Field(
        default_factory=lambda: list(SHELL), min_length=1, description="Program that takes all commands as one text."
    )
    fail_fast: bool = Field(True, description="Stop at the first command that fails.")
    task_runner: dict[str, Any] | None = Field(
        None, description="Where the script runs, as `{type: core.runner.Process}`; by default in a container."
    )
    container_image: str | None = Field(None, description="Image, for task runners with containers.")
    target_os: Literal["AUTO", "LINUX", "WINDOWS"] = Field(
        "AUTO", alias="targetOS", description="System of the task runner."
    )
    warning_on_std_err: bool | None = Field(None, description="Has no effect: lines of stderr are logged as ERROR.")
    output_directory: bool = Field(False, description="Keep all files that the script writes to `{{ outputDir }}`.")
    runner: Literal["DOCKER", "PROCESS"] | None = Field(None, description="Old form of `taskRunner`.")
    docker: dict[str, Any] | None = Field(None, description="Old form of the options of a Docker task runner.")

    # Name of the script file in the working directory, where there is one.
    script_file: ClassVar[str | None] = None
    variables_of_language: ClassVar[Mapping[str, str]] = {}

    async def run(self, ctx: Context) -> ScriptOutputs:
        """Run the commands; a failed script keeps its outputs."""
        runner = self._runner(ctx)
        listener = Listener(ctx)
        program = await self._program(ctx, listener, runner)
        code = await runner.run(ctx, program)
        outputs = ScriptOutputs(
            vars=listener.vars,
            # As shells do it for a program that a signal ended.
            exit_code=code if code >= 0 else 128 - code,
            output_files=await self._files(ctx),
        )
        if outputs.exit_code != 0:
            raise TaskError(
                f"Command failed with exit code {outputs.exit_code}", outputs=outputs.model_dump(by_alias=True)
            )
        return outputs

    @abstractmethod
    async def _commands(self, ctx: Context, variables: Mapping[str, Any]) -> list[str]:
        """The commands that follow `beforeCommands`, rendered; script files written."""

    async def _python(self, ctx: Context, before: Sequence[str]) -> PythonEnvironment | None:
        """The Python environment that the commands see."""
        return None

    async def _program(self, ctx: Context, listener: Listener, runner: TaskRunner) -> Program:
        variables = self._variables(ctx)
        if self._keeps_directory:
            await anyio.Path(ctx.folder.path / OUTPUT_DIR).mkdir(exist_ok=True)
        if self.namespace_files is not None:
            await self.namespace_files.fetch(ctx)
        await ctx.folder.write(await ctx.render(self.input_files, **variables))
        before = await texts(ctx, "beforeCommands", self.before_commands, variables)
        given = {
            str(name): str(value)
            for name, value in (await _map(ctx, "env", self.env, variables)).items()
            if value is not None
        }
        env = {**self.variables_of_language, **given, "WORKING_DIR": variables["workingDir"]}
        if self._keeps_directory:
            env["OUTPUT_DIR"] = variables["outputDir"]
        commands = await self._commands(ctx, variables)
        # Commands that install something want an environment of their own as much as beforeCommands do.
        needs = [*before, *(command for command in commands if INSTALLS.search(command))]
        python = await self._python(ctx, needs) if isinstance(runner, Process) else None
        ahead = tuple(self.interpreter) == SHELL and not before and python is not None and python.default
        return Program(
            argv=await self._argv(ctx, [*before, *commands]),
            env=env,
            on_line=listener.take,
            script=self.script_file if ahead else None,
            image=self.container_image,
            python=python,
        )

    async def _argv(self, ctx: Context, commands: Sequence[str]) -> tuple[str, ...]:
        """The interpreter with all commands as one text, which goes through a file where it is long."""
        stops = self.fail_fast and self.target_os != "WINDOWS"
        text = "\n".join(["set -e", *commands] if stops else commands)
        if len(text.encode()) <= ARGUMENT_BYTES:
            return (*self.interpreter, text)
        path = ctx.folder.path / ".inputs" / "commands"
        await write_text(path, text)
        if self.interpreter[-1] == "-c":
            return (*self.interpreter[:-1], str(path))
        return (*self.interpreter, f". '{path}'")

    @property
    def _keeps_directory(self) -> bool:
        return self.output_directory or self.runner is not None

    def _variables(self, ctx: Context) -> dict[str, Any]:
        folder = ctx.folder.path.absolute()
        named = [name for name in self.output_files or () if not GLOB.search(name)]
        variables: dict[str, Any] = {
            "workingDir": str(folder),
            "outputFiles": {name: str(ctx.folder.resolve(name).absolute()) for name in named},
        }
        if self._keeps_directory:
            variables["outputDir"] = str(folder / OUTPUT_DIR)
        return variables

    def _runner(self, ctx: Context) -> TaskRunner:
        """The task runner that is asked for, or Process in place of a container where the settings allow it."""
        properties = dict(self.task_runner or {})
        name = str(properties.pop("type", None) or DOCKER)
        if self.runner is not None:
            name, properties = ("core.runner.Process" if self.runner == "PROCESS" else DOCKER), {}
        index = installed()
        full = index.canonical(name)
        # A type whose module isn't installed keeps the name that it was asked by.
        if full.endswith(DOCKER) and index.canonical(DOCKER) == DOCKER:
            return self._instead_of_container(ctx)
        plugin = index.find(full)
        if not issubclass(plugin, TaskRunner):
            raise TaskError(f"taskRunner: {name} is not a task runner")
        return plugin.model_validate(properties)

    def _instead_of_container(self, ctx: Context) -> TaskRunner:
        image = f", image {self.container_image}" if self.container_image else ""
        if ctx.settings.process.fallback != "always":
            raise TaskError(
                f"This task runs in a container{image}, and no container engine is here: write `taskRunner: "
                "{type: core.runner.Process}` to run it as a process, or set process.fallback to always"
            )
        ctx.log(
            f"No container engine is here{image}: the script runs as a process of this machine. Write `taskRunner: "
            "{type: core.runner.Process}` to make that so everywhere",
            "WARN",
        )
        return Process()

    async def _files(self, ctx: Context) -> dict[str, str]:
        """Store what the script leaves; its own file is not among it."""
        if self.script_file is not None:
            await anyio.Path(ctx.folder.path / self.script_file).unlink(missing_ok=True)
        kept = await ctx.folder.collect(self.output_files or [])
        for name in self.output_files or ():
            if not GLOB.search(name) and name not in kept:
                ctx.log(f"outputFiles: the script left no file '{name}'", "WARN")
        if self._keeps_directory:
            found = await ctx.folder.collect([f"{OUTPUT_DIR}/**"])
            kept.update({name.removeprefix(f"{OUTPUT_DIR}/"): uri for name, uri in found.items()})
        return kept


async def texts(ctx: Context, name: str, value: Any, variables: Mapping[str, Any]) -> list[str]:
    """A list property, rendered, with each internal storage URI replaced by a local path. Raises TaskError."""
    rendered = _decoded(await ctx.render(value, **variables))
    if rendered is None:
        return []
    if not isinstance(rendered, list) or not all(isinstance(item, str | int | float) for item in rendered):
        raise TaskError(f"{name}: must be a list of texts")
    return [await ctx.folder.localize(str(item)) for item in rendered]


async def _map(ctx: Context, name: str, value: Any, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    rendered = _decoded(await ctx.render(value, **variables))
    if rendered is None:
        return {}
    if not isinstance(rendered, Mapping):
        raise TaskError(f"{name}: must be a map of name to text")
    return rendered


def _decoded(value: Any) -> Any:
    """A property that was given as one expression renders to JSON."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


async def write_text(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    await anyio.Path(path.parent).mkdir(parents=True, exist_ok=True)
    await anyio.Path(path).write_text(text, encoding="utf-8")
