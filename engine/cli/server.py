"""`tidegate server local|standalone`: what `tidegate serve` is called elsewhere."""

from __future__ import annotations

import typer

from engine.cli.serve import serve

app = typer.Typer(help="The server; the same as `tidegate serve`.", no_args_is_help=True, rich_markup_mode=None)

for name in ("local", "standalone"):
    app.command(name)(serve)
