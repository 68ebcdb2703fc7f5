"""Puts a `pip` into an environment that hands its commands to uv; see `pip.sh`."""

from __future__ import annotations

import shlex
from pathlib import Path

PROGRAM = Path(__file__).with_name("pip.sh")
NAMES = ("pip", "pip3")

PACKAGE = '''"""The pip of a Python environment made for scripts: the same commands, answered by uv."""

__version__ = "25.0"
'''

MAIN = '''"""`python -m pip`."""

import os
import sys

os.execv(os.path.join(sys.prefix, "bin", "pip"), ["pip", *sys.argv[1:]])
'''


def add_pip(environment: Path, uv: str, cache: Path, shared: bool) -> None:
    """Add the commands `pip` and `pip3` and the package behind `python -m pip`.

    uv, cache: the program that answers, and where it keeps what it fetched if the user says nothing else
    shared: nothing may be installed here
    """
    text = PROGRAM.read_text(encoding="utf-8")
    for name, value in (("@UV@", uv), ("@CACHE@", str(cache)), ("@SHARED@", "yes" if shared else "no")):
        text = text.replace(name, shlex.quote(value))
    for name in NAMES:
        program = environment / "bin" / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    for packages in environment.glob("lib/python*/site-packages"):
        (packages / "pip").mkdir()
        (packages / "pip" / "__init__.py").write_text(PACKAGE, encoding="utf-8")
        (packages / "pip" / "__main__.py").write_text(MAIN, encoding="utf-8")
