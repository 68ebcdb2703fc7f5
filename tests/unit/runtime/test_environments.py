"""Python environments of scripts, with real uv and wheels made here: no network is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import anyio
import msgspec
import pytest

from engine.errors import TaskError
from engine.plugin.working import PythonEnvironment
from engine.runtime.scripts.environments import Environments, inherited
from engine.settings import Process, Settings

OWN = {
    "PATH": f"{sys.prefix}/bin:{os.defpath}",
    "HOME": "/home/user",
    "LC_TIME": "C",
    "https_proxy": "http://proxy",
    "SSL_CERT_DIR": "/certs",
    "PIP_NO_CACHE": "1",
    "SECRET": "hidden",
    "TIDEGATE_KEY": "hidden",
    "VIRTUAL_ENV": sys.prefix,
    "PYTHONPATH": "/engine",
    "PYTHONHOME": "/engine",
}


def wheel(folder: Path, name: str, version: str) -> None:
    """A package with one module that knows its version, and a program of its name."""
    folder.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(
            f"{name}.py",
            f"version = '{version}'\ndef main():\n    print('run', version)\n# {version * int(version[0])}",
        )
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        file.writestr(f"{about}/RECORD", "")


def settings(inherit: tuple[str, ...] | Literal["all"] = ()) -> Settings:
    return msgspec.structs.replace(Settings(), process=Process(inherit=inherit))


class Place:
    """Environments with wheels to install, and a shell in them."""

    def __init__(self, folder: Path) -> None:
        self.wheels = folder / "wheels"
        wheel(self.wheels, "tiny", "1.0")
        wheel(self.wheels, "tiny", "2.0")
        self.own = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"{folder}/absent {self.wheels}",
        }
        self.environments = Environments(folder / "environments", settings(), self.own)

    def shell(self, python: PythonEnvironment, command: str, **env: str) -> subprocess.CompletedProcess[str]:
        variables = self.environments.variables(python, env)
        return subprocess.run(["sh", "-c", command], env=variables, capture_output=True, text=True, cwd=self.wheels)

    def output(self, python: PythonEnvironment, command: str, **env: str) -> str:
        done = self.shell(python, command, **env)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_scripts_see_only_the_basic_variables() -> None:
    seen = inherited((), OWN)
    assert seen == {
        "PATH": os.defpath,
        "HOME": "/home/user",
        "LC_TIME": "C",
        "https_proxy": "http://proxy",
        "SSL_CERT_DIR": "/certs",
        "PIP_NO_CACHE": "1",
    }


def test_the_setting_adds_names_or_all_but_what_is_the_engines() -> None:
    assert inherited(("SECRET", "ABSENT"), OWN)["SECRET"] == "hidden"
    every = inherited("all", OWN)
    assert every["SECRET"] == "hidden"
    assert not {"TIDEGATE_KEY", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"} & every.keys()
    assert every["PATH"] == os.defpath


async def test_variables_are_inherited_then_of_python_then_of_the_task(tmp_path: Path) -> None:
    environments = Environments(tmp_path, settings(), {"HOME": "/home/user", "LANG": "C", "PATH": "/bin"})
    python = PythonEnvironment(Path("/p"), {"PATH": "/p:/bin", "LANG": "D"}, False)
    assert environments.variables(None, {"HOME": "/x"}) == {"HOME": "/x", "LANG": "C", "PATH": "/bin"}
    assert environments.variables(python, {"A": "b"}) == {
        "HOME": "/home/user",
        "LANG": "D",
        "PATH": "/p:/bin",
        "A": "b",
    }


async def test_the_default_environment_is_clean(place: Place) -> None:
    python = await place.environments.get()
    assert python.default
    assert place.output(python, "for name in python python3 pip pip3; do command -v $name; done").splitlines() == [
        f"{python.python.parent}/{name}" for name in ("python", "python3", "pip", "pip3")
    ]
    assert place.output(python, "python -c 'import sys; print(sys.executable)'") == str(python.python)
    modules = "import importlib.util as u; print([m for m in ('engine', 'anyio', 'pytest', 'uv') if u.find_spec(m)])"
    assert place.output(python, f'python -c "{modules}"') == "[]"
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert await place.environments.get(version=own) == python


async def test_pip_leaves_the_shared_environment_alone(place: Place) -> None:
    python = await place.environments.get()
    refused = place.shell(python, "pip install tiny")
    assert refused.returncode == 1
    assert "beforeCommands" in refused.stderr
    target = place.wheels.parent / "target"
    place.output(python, f"pip install --target {target} tiny")
    assert (target / "tiny.py").exists()
    assert place.shell(python, "python -c 'import tiny'").returncode == 1


async def test_pip_installs_and_is_satisfied_the_second_time(place: Place) -> None:
    python = await place.environments.get(before=["pip install tiny"])
    assert not python.default
    place.output(python, "pip -q install --user --no-cache-dir --progress-bar off tiny")
    assert place.output(python, "python -c 'import tiny; print(tiny.version)'; tiny") == "2.0\nrun 2.0"
    assert place.output(python, "pip freeze") == "tiny==2.0"
    assert "2.0" in place.output(python, "pip show tiny | grep Version")
    place.output(python, "python -m pip install tiny==1.0")
    assert place.output(python, "python -c 'import tiny; print(tiny.version)'") == "1.0"
    assert "1 package" in place.output(python, "pip install tiny")
    place.output(python, "pip uninstall -y tiny")
    assert place.output(python, "pip freeze") == ""


async def test_pip_never_replaces_itself(place: Place) -> None:
    python = await place.environments.get(before=["pip install --upgrade pip"])
    assert "up to date" in place.output(python, "pip install --upgrade pip")
    place.output(python, "python -m pip install --upgrade 'pip>=20' tiny")
    assert place.output(python, "pip freeze") == "tiny==2.0"
    assert place.output(python, "pip --version").startswith("pip 25.0 from ")
    assert place.output(python, "python -m pip -V").startswith("pip 25.0 from ")


async def test_a_failed_install_is_said_on_standard_error(place: Place) -> None:
    python = await place.environments.get(before=["pip install absent"])
    failed = place.shell(python, "pip install absent")
    assert failed.returncode != 0
    assert failed.stdout == ""
    assert "absent was not found" in failed.stderr


async def test_different_needs_never_meet(place: Place) -> None:
    asked: list[Mapping[str, Any]] = [
        {},
        {"before": ["pip install tiny==1.0"]},
        {"before": ["pip install tiny==2.0"]},
        {"dependencies": ["tiny==1.0"]},
        {"dependencies": ["tiny"], "before": ["true"]},
    ]
    made = [await place.environments.get(**needs) for needs in asked]
    assert len({python.python for python in made}) == len(asked)
    version = "python -c 'import tiny; print(tiny.version)'"
    assert place.output(made[3], version) == "1.0"
    assert place.output(made[4], f"{version}; tiny") == "2.0\nrun 2.0"
    assert place.shell(made[0], version).returncode == 1
    assert place.shell(made[1], version).returncode == 1


async def test_requirement_files_are_part_of_what_is_asked(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    folder.mkdir()
    before = ["pip install -r requirements.txt"]
    (folder / "requirements.txt").write_text("tiny==1.0")
    first = await place.environments.get(before=before, folder=folder)
    assert await place.environments.get(before=before, folder=folder) == first
    (folder / "requirements.txt").write_text("tiny==2.0")
    assert await place.environments.get(before=before, folder=folder) != first


async def test_requirement_files_that_others_name_count_too(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    (folder / "more").mkdir(parents=True)
    before = ["pip install -r requirements.txt"]
    (folder / "requirements.txt").write_text("-r more/base.txt\n")
    (folder / "more" / "base.txt").write_text("-r ../requirements.txt\ntiny==1.0")
    first = await place.environments.get(before=before, folder=folder)
    (folder / "more" / "base.txt").write_text("-r ../requirements.txt\ntiny==2.0")
    assert await place.environments.get(before=before, folder=folder) != first


async def test_the_folder_of_an_attempt_is_no_need(place: Place, tmp_path: Path) -> None:
    asked = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "requirements.txt").write_text("tiny==1.0")
        before = [f"pip install -r {folder}/requirements.txt"]
        asked.append(await place.environments.get(before=before, folder=folder))
    assert asked[0] == asked[1]


async def test_what_nobody_asked_for_in_a_month_makes_room(place: Place) -> None:
    old = await place.environments.get(before=["pip install tiny # 1"])
    used = await place.environments.get(before=["pip install tiny # 2"])
    for python in (old, used):
        os.utime(python.python.parent.parent, (0, 0))
    assert await place.environments.get(before=["pip install tiny # 2"]) == used
    await place.environments.get(before=["pip install tiny # 3"])
    assert not old.python.parent.exists()
    assert used.python.exists()


async def test_what_cannot_be_had_is_said_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"The dependencies absent can't be installed: .*absent was not found"):
        await place.environments.get(dependencies=["absent"])
    with pytest.raises(TaskError, match=r"Python no-python can't be had: "):
        await place.environments.get(version="no-python")
    left = [path.name for path in (tmp_path / "environments").iterdir() if not path.name.endswith(".lock")]
    assert left == ["cache"]


async def test_an_environment_is_made_once_by_all_who_ask(place: Place, tmp_path: Path) -> None:
    found: list[PythonEnvironment] = []

    async def ask() -> None:
        found.append(await Environments(tmp_path / "environments", settings(), place.own).get(dependencies=["tiny"]))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert len(set(map(str, found))) == 1
    assert place.output(found[0], "tiny") == "run 2.0"


async def test_leftovers_and_broken_environments_are_made_anew(place: Place, tmp_path: Path) -> None:
    python = await place.environments.get()
    folder = python.python.parent.parent
    python.python.unlink()
    folder.with_name(f"{folder.name}.unfinished").mkdir()
    assert await place.environments.get() == python
    assert place.output(python, "python -c 'print(1)'") == "1"
