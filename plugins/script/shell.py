"""Shell scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.plugin import Context, Template
from plugins.script.commands import ScriptTask, texts


class Script(ScriptTask):
    """Run a shell script."""

    script: str | Template = Field(description="The script.")

    async def _commands(self, ctx: Context, variables: Mapping[str, Any]) -> list[str]:
        return [await ctx.folder.localize(str(await ctx.render(self.script, **variables)))]


class Commands(ScriptTask):
    """Run commands, one after another in one shell."""

    commands: list[str] | Template = Field(description="The commands.")

    async def _commands(self, ctx: Context, variables: Mapping[str, Any]) -> list[str]:
        return await texts(ctx, "commands", self.commands, variables)
