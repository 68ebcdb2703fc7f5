"""Where a process starts: the only file that may import every layer."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from engine import __version__


def main() -> None:
    """The `tidegate` command."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"], ["version"]):
        sys.stdout.write(f"tidegate {__version__}\n")
        return
    if problem := misplaced():
        sys.stderr.write(f"Error: {problem}\n")
        sys.exit(2)
    # Importing makes many objects and hardly a circle of them: looking for these took a fifth of the time. An engine
    # turns it on again.
    gc.disable()
    from engine.cli.app import run_app

    sys.exit(run_app(arguments))


def misplaced() -> str | None:
    """What is wrong with the installation: `plugins` and `triggers` must be the ones beside `engine`."""
    from importlib.machinery import PathFinder

    home = Path(__file__).resolve().parent.parent
    for name in ("plugins", "triggers"):
        spec = PathFinder.find_spec(name)
        if spec is None or spec.origin is None:
            return f"the package '{name}' is missing: install Tidegate again, in an environment of its own"
        place = Path(spec.origin).resolve().parent.parent
        if place != home:
            return (
                f"another package '{name}' in {place} hides the one of Tidegate in {home}: install Tidegate in an "
                "environment of its own, for example with `uv tool install` or `pipx install`"
            )
    return None


if __name__ == "__main__":
    main()
