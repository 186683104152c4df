"""Setting up: ``./dev`` and the locked versions it installs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("locks/run.txt", "locks/dev.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def dev(venv, task="setup"):
    """Run a task with an environment elsewhere; nothing can be downloaded."""
    settings = {"STATUSPUSH_VENV": str(venv), "STATUSPUSH_PYTHON": sys.executable}
    return subprocess.run(
        [ROOT / "dev", task],
        env={**os.environ, **settings, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def has_pip(venv):
    done = subprocess.run(
        [venv / "bin" / "python", "-m", "pip", "--version"], capture_output=True, check=False
    )
    return done.returncode == 0


def name_of(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()


def test_a_half_made_environment_is_made_anew(tmp_path):
    """As Debian leaves it behind where python3-venv was missing: a Python without pip."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    assert not has_pip(venv)
    done = dev(venv)
    assert has_pip(venv)
    assert (done.returncode != 0, list(venv.glob(".set-up-*"))) == (True, [])  # no index: not ready


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("data")
    done = dev(tmp_path)
    assert (done.returncode, (tmp_path / "precious").read_text()) == (1, "data")
    assert "is no virtual environment" in done.stderr


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_and_hashes_everything(lock):
    text = (ROOT / lock).read_text()
    assert re.findall(r"\w+://\S+| @ |^-\S+|^/", text, re.MULTILINE) == []
    entries = re.split(r"\n(?=\S)", text.partition("dev lock\n")[2].strip())
    assert len(entries) > 30
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_what_runs_is_locked_alike_for_developing():
    run, developing = (
        set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in LOCKS
    )
    assert run < developing


def test_every_dependency_of_the_package_is_locked_and_has_an_upper_bound():
    extras = PROJECT["optional-dependencies"]
    needed = [
        *PROJECT["dependencies"],
        *extras["server"],
        *extras["brokers"],
        *extras["postgresql"],
    ]
    dated = {"tzdata"}  # its versions are years
    assert [each for each in needed if "<" not in each and name_of(each) not in dated] == []
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / LOCKS[1]).read_text(), re.MULTILINE))
    assert {name_of(each) for each in needed} <= locked
