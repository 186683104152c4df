"""Extras: the base works without them, and what needs one says how to get it."""

import json
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from statuspush import extras
from statuspush.core.errors import InputError

SERVER = ("fastapi", "starlette", "pydantic", "structlog", "swagger_ui_bundle", "uvloop")
ABSENT_ON_WINDOWS = ("fcntl", "resource", "pwd", "grp", "termios")

BLOCK = f"""
import sys
for name in {(*SERVER, *ABSENT_ON_WINDOWS, "faststream", "psycopg")!r}:
    sys.modules[name] = None
"""


def run(code, *arguments):
    """Python code in a process where only the base is installed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCK + code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def command(*arguments):
    return run(
        "from statuspush.cli.app import main; sys.argv[0] = 'statuspush'; main()", *arguments
    )


@pytest.fixture
def installed_from(monkeypatch):
    """Pretend that the package was installed from somewhere."""

    def pretend(**origin):
        class Distribution:
            def read_text(self, name):
                assert name == "direct_url.json"
                return json.dumps(origin) if origin else None

        monkeypatch.setattr(extras, "distribution", lambda name: Distribution())
        return shlex.split(extras.install_command("server"))[3:]

    return pretend


@pytest.mark.parametrize("name", ["serve", "migrate", "bench", "demo"])
def test_a_command_of_the_server_says_in_one_line_what_to_install(name):
    done = command(name)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    wanted = extras.install_command("server")
    assert line == f"statuspush: statuspush {name} needs libraries that are not installed: {wanted}"


@pytest.mark.parametrize("name", ["receive", "check", "send", "decode", "submit", "inbox"])
def test_commands_of_the_base_explain_themselves_without_the_extras(name):
    done = command(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_decode_works_without_the_extras(tmp_path):
    body = tmp_path / "body"
    body.write_text("voice_status=%5B%5D")
    done = command("decode", str(body))
    assert (done.returncode, done.stderr) == (0, "")


def test_what_came_from_an_index_is_completed_from_there(installed_from):
    assert installed_from() == ["install", "statuspush[server]"]


def test_what_came_from_a_folder_is_completed_from_there(installed_from):
    wanted = ["install", "/srv/a folder[server]"]
    assert installed_from(url="file:///srv/a%20folder", dir_info={}) == wanted


def test_what_is_editable_stays_so(installed_from):
    wanted = ["install", "-e", "/srv/statuspush[server]"]
    assert installed_from(url="file:///srv/statuspush", dir_info={"editable": True}) == wanted


def test_what_came_from_a_file_is_completed_from_it(installed_from):
    wanted = ["install", "/srv/statuspush-1.0-py3-none-any.whl[server]"]
    url = "file:///srv/statuspush-1.0-py3-none-any.whl"
    assert installed_from(url=url, archive_info={}) == wanted


def test_a_source_tree_that_is_not_installed_names_the_package(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", missing)
    assert extras.install_command("brokers").endswith("install 'statuspush[brokers]'")


def test_the_server_is_refused_on_windows(monkeypatch):
    monkeypatch.setattr(extras.sys, "platform", "win32")
    with pytest.raises(InputError, match="statuspush serve does not run on Windows"):
        extras.require_server("statuspush serve")


def test_the_modules_that_are_asked_for_are_those_of_the_extra():
    """The table of the module and the one of pyproject.toml say the same."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    names = [line.partition(">")[0] for line in project["optional-dependencies"]["server"]]
    assert [name.replace("-", "_") for name in names] == list(extras._OF_SERVER)
