"""`tidegate backup` and `restore`: a data folder in one file, also while a server runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Config, Data

if TYPE_CHECKING:
    from engine.runtime.upkeep.backup import Size


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write: .tar, or .tar.gz to compress it.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Write everything into one file, at any time: flows, executions, keys, secrets and their key, files, log lines."""
    from engine.cli import look
    from engine.clock import SystemClock
    from engine.runtime.upkeep.backup import back_up
    from engine.settings import data_folder, load_settings

    console = look.stdout()
    with console.status("Backing up …") as status:
        size = back_up(
            data_folder(data), file, load_settings(config), SystemClock().now(), lambda size: status.update(told(size))
        )
    console.print(f"{file}: {told(size)}", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move what is in the data folder aside, into `before-restore` in it.")
    ] = False,
    data: Data = None,
) -> None:
    """Fill the data folder from a backup. No process may work on it."""
    from engine.cli import look
    from engine.clock import SystemClock
    from engine.durations import duration_words
    from engine.runtime.upkeep.restore import restore as restored
    from engine.settings import data_folder

    console = look.stdout()
    folder = data_folder(data)
    with console.status("Restoring …") as status:
        head, size = restored(file, folder, lambda size: status.update(told(size)), replace=replace)
    age = duration_words(SystemClock().now() - head.created)
    console.print(f"{folder}: {told(size)}, as of {look.moment(head.created)} ({age} ago)", markup=False)
    console.print("What was running then goes on when a server starts here.")


def told(size: Size) -> str:
    """`12 files, 3.4 MB`."""
    from engine.cli import look

    return f"{size.files} file{'' if size.files == 1 else 's'}, {look.size(size.bytes)}"
