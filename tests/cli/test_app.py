"""The command line as a whole: help, version, errors, and that it answers at once."""

import subprocess
import sys

import pytest

COMMANDS = [
    "serve",
    "submit",
    "demo",
    "bench",
    "send",
    "decode",
    "check",
    "receive",
    "redrive",
    "config",
    "migrate",
    "account",
]
ACCOUNT_COMMANDS = ["create", "list", "show", "push", "delete", "test"]


def test_help_names_every_command(cli):
    """Bare --help is the way in."""
    text = cli("--help").stdout
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    "command", [*([c] for c in COMMANDS), *(["account", c] for c in ACCOUNT_COMMANDS)]
)
def test_every_command_teaches_by_example(cli, command):
    """Its help has a sentence and at least one example of the command itself."""
    result = cli(*command, "--help")
    assert result.exit_code == 0
    _, _, after = result.stdout.partition("Examples")
    assert f"statuspush {' '.join(command)}" in after


def test_version(cli):
    """It is the package's."""
    from statuspush import __version__

    assert cli("--version").stdout == f"statuspush {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], ["uvicorn", "fastapi", "httpx", "sqlite3", "numpy", "rich.live"]),
        (["decode", "--help"], ["uvicorn", "fastapi", "httpx", "sqlite3", "numpy"]),
        (["send", "http://127.0.0.1:1/"], ["uvicorn", "fastapi", "httpx", "sqlite3", "numpy"]),
    ],
)
def test_light_commands_load_nothing_heavy(arguments, heavy):
    """So --help answers at once, and send and decode work without the server's packages."""
    code = (
        "import sys\nfrom statuspush.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout


def test_a_wrong_setting_is_one_line_and_status_2(process):
    """No traceback, also where the command is not about settings."""
    done = process("serve", "--port", "x")
    assert done.returncode == 2
    assert done.stderr == (b"statuspush: flag --port must be an integer from 0 to 65535, not 'x'\n")


def test_config_shows_values_with_origins(cli):
    """As a table, with what is secret masked."""
    result = cli("config", "--port", "9000", STATUSPUSH_OPERATOR_TOKEN="secret-" * 4)
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert rows["port"].split()[1:] == ["9000", "flag", "--port"]
    assert "********" in rows["operator_token"]
    assert "environment STATUSPUSH_OPERATOR_TOKEN" in rows["operator_token"]
    assert "secret-" not in result.stdout


def test_config_as_json(cli, tmp_path):
    """Every setting with value and origin, and the warnings."""
    import json

    (tmp_path / "other.toml").write_text("retry_interval_seconds = 5")
    document = json.loads(cli("config", "--json", "--config", "other.toml").stdout)
    assert document["settings"]["retry_interval_seconds"] == {
        "value": 5.0,
        "origin": "other.toml:retry_interval_seconds",
    }
    assert len(document["warnings"]) == 1


def test_migrate_makes_no_database(cli):
    """A misspelt path is an error, not a new file."""
    result = cli("migrate", "--database", "sqlite:///nowhere.db")
    assert result.exit_code == 2
    assert "no such database" in result.stderr


def test_migrate_upgrades_and_checks(cli, tmp_path):
    """An empty file is of version 0; --check only says so, with status 1."""
    (tmp_path / "statuspush.db").touch()
    result = cli("migrate", "--check")
    assert (result.exit_code, "schema version 0" in result.stdout) == (1, True)
    assert "migrated from schema version 0" in cli("migrate").stdout
    assert "is up to date" in cli("migrate").stdout
    assert cli("migrate", "--check").exit_code == 0
