"""The command line over a data folder, as a person uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Place:
    """A data folder and the commands over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    def flow(self, text: str, name: str = "flow.yaml") -> str:
        file = self.folder / name
        file.write_text(text)
        return str(file)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TIDEGATE_DATA": str(self.data), "COLUMNS": "200", **environment},
        )

    def call(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Standard output, or standard error where the exit code is another than 0."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=50)
        assert process.returncode == code, out + err
        assert "Traceback" not in out + err
        return out if code == 0 else out + err
