"""Options that most commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Data folder (else TIDEGATE_DATA, else the user's data directory).", show_default=False
    ),
]
Flows = Annotated[
    Path | None,
    typer.Option(
        "--flows", help="Folder of flows to store first: subflows and siblings.", exists=True, file_okay=False
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file (else TIDEGATE_CONFIG).", exists=True, dir_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Id = Annotated[str, typer.Argument(help="Execution id or its beginning, or `last`.")]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="URL or context of a server (else TIDEGATE_SERVER, else the current context); see `tidegate login`.",
        show_default=False,
    ),
]
