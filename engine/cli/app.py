"""The command line: which commands there are, and how an error is shown."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import typer

from engine.errors import StorageError, TaskError, TidegateError, Unavailable

FAILED = 1
USAGE = 2
INTERRUPTED = 130

# Click's exceptions, from click itself or from the copy that some versions of Typer bring along.
mistakes: Any = import_module(typer.BadParameter.__module__)

# Commands with module and function; groups of commands are modules by their names.
COMMANDS = {
    "run": ("run", "run"),
    "validate": ("validate", "validate"),
    "eval": ("evaluate", "evaluate"),
    "doctor": ("doctor", "doctor"),
    "serve": ("serve", "serve"),
    "login": ("login", "login"),
    "backup": ("backup", "backup"),
    "restore": ("backup", "restore"),
}
GROUPS = (
    "audit",
    "test",
    "server",
    "context",
    "flow",
    "execution",
    "file",
    "kv",
    "namespace",
    "secret",
    "plugin",
    "template",
    "user",
    "token",
    "trigger",
)


def build(wanted: str) -> typer.Typer:
    """The command line with the command that is `wanted`, or with all of them where there is none of that name.

    One command needs a tenth of the time that all of them take to be made.
    """
    app = typer.Typer(
        name="tidegate",
        help="Run workflows: flows in YAML, one process, one SQLite file.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    # Typer takes a single command for the whole program unless there is a callback.
    app.callback()(lambda: None)
    known = wanted in COMMANDS or wanted in GROUPS
    for name, (module, function) in COMMANDS.items():
        if name == wanted or not known:
            app.command(name)(getattr(import_module(f"engine.cli.{module}"), function))
    for name in GROUPS:
        if name == wanted or not known:
            app.add_typer(import_module(f"engine.cli.{name}").app, name=name)
    return app


def run_app(arguments: list[str]) -> int:
    """Run a command line and return its exit code: 0, 1 failed, 2 not understood or refused, 130 interrupted.

    Whatever goes wrong is shown in one sentence.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        app = build(arguments[0] if arguments else "")
        result = app(arguments, prog_name="tidegate", standalone_mode=False)
    except mistakes.NoArgsIsHelpError as help_wanted:
        help_wanted.show()
        return USAGE
    except mistakes.ClickException as mistake:
        mistake.show()
        return int(mistake.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except TidegateError as error:
        return _tell(error)
    except BaseExceptionGroup as group:
        return _grouped(group)
    except Exception as fault:
        return _unforeseen(fault)
    return result if isinstance(result, int) else 0


def _grouped(group: BaseExceptionGroup[BaseException]) -> int:
    """Task groups wrap what went wrong; a foreseen error is shown like any other, a fault with its origin."""
    foreseen, rest = group.split(lambda error: isinstance(error, TidegateError | KeyboardInterrupt))
    if rest is not None:
        return max(_unforeseen(leaf) for leaf in _leaves(rest))
    assert foreseen is not None
    codes = [_tell(error) for error in _leaves(foreseen) if isinstance(error, TidegateError)]
    return max(codes, default=INTERRUPTED)


def _tell(error: TidegateError) -> int:
    """Show an error in one sentence; returns the exit code that belongs to it."""
    sys.stderr.write(f"Error: {error}\n")
    if type(error) is Unavailable:
        sys.stderr.write("Nothing was lost; try again when the disk or the database answers.\n")
    return FAILED if isinstance(error, Unavailable | StorageError | TaskError) else USAGE


def _unforeseen(fault: BaseException) -> int:
    from engine.cli.faults import report

    report(fault)
    return FAILED


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
