"""The program of an interpreter that was started ahead: it forks others, each of which becomes a script's process.

Run as a compiled file, never imported. Its standard input is a socket; each message brings the ends of four pipes for a
fork: the one that the request will come on, both outputs, and the one to say the process id and later the exit code on.
A request is the script's path, the working directory, then variables as NAME=VALUE, each ended by a zero byte. Nothing
is left behind that a fresh interpreter doesn't have, so that the script finds what `python script.py` would show it.
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
from _socket import AF_UNIX, CMSG_SPACE, SOCK_STREAM  # noqa: E402
from _socket import socket as Socket  # noqa: E402, N812

HANDLES = 4
HANDLE_BYTES = 4
RECORD_BYTES = 4


def fork() -> None:
    """Fork for each message until the engine ends; returns in the forked interpreters only."""
    channel = Socket(AF_UNIX, SOCK_STREAM, 0, 0)
    while True:
        word, rights, _flags, _sender = channel.recvmsg(1, CMSG_SPACE(HANDLES * HANDLE_BYTES))
        if not word:
            os._exit(0)
        ends = rights[0][2]
        handles = [
            int.from_bytes(ends[place : place + HANDLE_BYTES], sys.byteorder)
            for place in range(0, HANDLES * HANDLE_BYTES, HANDLE_BYTES)
        ]
        if os.fork() == 0:
            channel.detach()
            if descend(*handles):
                return
        for handle in handles:
            os.close(handle)
        reap()


def descend(asked: int, out: int, err: int, said: int) -> bool:
    """Fork once more and say how that one ended: only its parent hears of it. True in the fork."""
    # So that it outlives the group of the first.
    os.setsid()
    child = os.fork()
    if child:
        for handle in (0, asked, out, err):
            os.close(handle)
        _pid, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        try:
            os.write(said, code.to_bytes(RECORD_BYTES, "big", signed=True))
        finally:
            os._exit(0)
    os.setsid()
    os.write(said, os.getpid().to_bytes(RECORD_BYTES, "big"))
    for handle, place in ((asked, 0), (out, 1), (err, 2)):
        os.dup2(handle, place)
    for handle in (asked, out, err, said):
        os.close(handle)
    del sys.modules["_socket"]
    return True


def reap() -> None:
    """Let go of the forks that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


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
    fork()
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
