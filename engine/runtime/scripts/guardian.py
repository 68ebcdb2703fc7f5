"""Ends what this process started when this process is killed and can't do so itself.

The guardian is a small shell in a session of its own that reads process groups from a pipe. The pipe closes when the
engine ends, however it ends; groups that were not taken back by then are killed. Saying a group costs one write.
"""

from __future__ import annotations

import atexit
import os
import subprocess

PROGRAM = """
trap '' HUP INT TERM
groups=' '
while read -r word group; do
  case $word in
    guard) groups="$groups$group " ;;
    forget) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Guardian:
    """The guardian of this process; it is started with the first group and again if it was killed."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def guard(self, group: int) -> None:
        """Kill the process group when this process ends before `forget`."""
        self._groups.add(group)
        self._say("guard", group)

    def forget(self, group: int) -> None:
        """The group is dead; its number may soon be another's."""
        self._groups.discard(group)
        self._say("forget", group)

    def _say(self, word: str, group: int) -> None:
        if self._process is not None:
            try:
                os.write(self._pipe, f"{word} {group}\n".encode())
                return
            except BrokenPipeError:
                os.close(self._pipe)
                self._process.wait()
        self._start()

    def close(self) -> None:
        """End the guardian, and what it still guards. For the end of this process."""
        if self._process is not None:
            os.close(self._pipe)
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        """Start a guardian that knows all groups of now."""
        read, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", PROGRAM],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        finally:
            os.close(read)
        for group in self._groups:
            os.write(self._pipe, f"guard {group}\n".encode())


guardian = Guardian()
atexit.register(guardian.close)
