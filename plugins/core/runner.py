"""Task runners that are always there."""

from __future__ import annotations

from engine.plugin import Context, Program, TaskRunner


class Process(TaskRunner):
    """Run scripts as processes on the machine of the worker, in the task's working directory."""

    async def run(self, ctx: Context, program: Program) -> int:
        """Run the program and return its exit code; a plain Python script in an interpreter started ahead."""
        env = ctx.programs.environment(program.python, program.env)
        if program.script is not None:
            return await ctx.programs.run_ahead(
                ctx.folder.path / program.script, env=env, cwd=ctx.folder.path, on_line=program.on_line
            )
        return await ctx.programs.run(program.argv, env=env, cwd=ctx.folder.path, on_line=program.on_line)
