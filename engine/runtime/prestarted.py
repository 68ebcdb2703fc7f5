"""The program of an interpreter that was started ahead: it waits for a script and becomes its process.

Run as a compiled file, never imported. The request comes on standard input: the script's path, the working directory,
then variables as NAME=VALUE, each ended by a zero byte. Nothing is imported here that a fresh interpreter doesn't have
anyway, so that the script finds what `python script.py` would show it.
"""

# The names that a main module has before its first line.
FRESH = dict(globals())

import sys  # noqa: E402
from _frozen_importlib_external import SourceFileLoader  # noqa: E402

if not sys.flags.safe_path:
    # The folder of this file, which the script must not import from.
    del sys.path[0]

import io  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402


def request() -> tuple[str, str, dict[str, str]]:
    """Wait for the script, the working directory and the variables."""
    received = bytearray()
    while chunk := os.read(0, 65536):
        received += chunk
    if not received.endswith(b"\0"):
        # The engine ended, or took this process no more.
        os._exit(0)
    script, folder, *pairs = map(os.fsdecode, bytes(received[:-1]).split(b"\0"))
    return script, folder, dict(pair.split("=", 1) for pair in pairs)


def become(script: str, folder: str, variables: dict[str, str]) -> dict[str, object]:
    """Take the place of a fresh interpreter that was given the script; returns the names of its module."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    sys.argv = [script]
    sys.orig_argv = [sys.orig_argv[0], script]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    main = type(sys)("__main__")
    main.__dict__.update(FRESH, __doc__=None, __file__=script, __loader__=SourceFileLoader("__main__", script))
    sys.modules["__main__"] = main
    return main.__dict__


def run() -> None:
    """Run the script that is asked for, to the exit code that it would have."""
    script, folder, variables = request()
    names = become(script, folder, variables)
    try:
        with io.open_code(script) as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {script!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(2)
    try:
        exec(compile(source, script, "exec", dont_inherit=True), names)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        # The first entry of the traceback is this file's.
        trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        if not interrupted:
            sys.exit(1)
    else:
        return
    import signal

    # As an interrupted interpreter does: end, then die of the signal.
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


run()
