"""Settings: which place wins, what is refused and how it is told, what is never printed."""

from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from statuspush.config import SETTINGS, ConfigError, Settings, load

TOKEN = "a-long-operator-token"


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def problems(flags=(), environ=(), toml_path=None):
    with pytest.raises(ConfigError) as caught:
        load(dict(flags), dict(environ), toml_path)
    return list(caught.value.problems)


def test_without_anything_every_setting_has_its_default():
    """The defaults are those of the issue and the contract."""
    loaded = load({}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    settings = loaded.settings
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.database_path == Path("statuspush.db")
    assert settings.retry_interval_seconds == 300
    assert settings.allow_targets == ()
    assert settings.timezone == ZoneInfo("Asia/Shanghai")
    assert settings.retention_days == 7
    assert loaded.warnings() == ()


def test_a_flag_wins_over_a_variable_over_the_file():
    """Each setting comes from the first place that names it, and says which."""
    Path("statuspush.toml").write_text("port = 1\nhost = '::1'\nretention_days = 2\n")
    loaded = load(
        {"port": "3", "host": None}, {"STATUSPUSH_PORT": "2", "STATUSPUSH_HOST": "10.0.0.1"}
    )
    assert (loaded.settings.port, loaded.origins["port"]) == (3, "flag --port")
    assert loaded.settings.host == "10.0.0.1"
    assert loaded.origins["host"] == "environment STATUSPUSH_HOST"
    assert loaded.settings.retention_days == 2
    assert loaded.origins["retention_days"] == "statuspush.toml:retention_days"
    assert loaded.origins["timezone"] == "default"


def test_the_file_is_named_by_flag_or_variable(tmp_path):
    """--config wins over STATUSPUSH_CONFIG; a named file has to be there."""
    (tmp_path / "a.toml").write_text("port = 1")
    (tmp_path / "b.toml").write_text("port = 2")
    environ = {"STATUSPUSH_CONFIG": "b.toml"}
    assert load({}, environ).settings.port == 2
    assert load({}, environ, Path("a.toml")).origins["port"] == "a.toml:port"
    assert problems(toml_path=Path("c.toml")) == ["c.toml: there is no such file"]


def test_every_problem_is_told_at_once():
    """Also those of values that a flag overrides: they are wrong all the same."""
    Path("statuspush.toml").write_text("port = 'x'\nlog_levle = 'info'\n")
    found = problems(
        {"port": "80", "retention_days": "0"},
        {"STATUSPUSH_TIMEZONE": "Mars/Olympus", "STATUSPUSH_DATABSE": "x"},
    )
    assert found == [
        "statuspush.toml:log_levle is not a setting; did you mean log_level?",
        "environment STATUSPUSH_DATABSE is not a setting; did you mean STATUSPUSH_DATABASE?",
        "statuspush.toml:port must be an integer from 0 to 65535, not 'x'",
        "environment STATUSPUSH_TIMEZONE must be a name of the IANA time zones, such as "
        "Asia/Shanghai or UTC, not 'Mars/Olympus'",
        "flag --retention-days must be a number of days from 0.01 to 3650, not '0'",
    ]


def test_one_problem_is_one_line():
    """Several are a list under a headline."""
    with pytest.raises(ConfigError, match=r"^flag --port must be [^\n]*$"):
        load({"port": "x"}, {})
    with pytest.raises(ConfigError, match=r"^2 settings are wrong:\n  flag --host"):
        load({"port": "x", "host": ""}, {})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "[::1]", "::1"),
        ("host", " localhost ", "localhost"),
        ("port", "65535", 65535),
        ("database", "sqlite:////var/lib/s.db", "sqlite:////var/lib/s.db"),
        ("operator_token", "", None),
        ("operator_token", TOKEN, TOKEN),
        ("retry_interval_seconds", "0.05", 0.05),
        ("allow_targets", "", ()),
        ("allow_targets", "10.0.0.0/8, ::1,", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
        ("timezone", "UTC", ZoneInfo("UTC")),
        ("proxy", "http://u:p@h:3128", "http://u:p@h:3128"),
        ("proxy", "", None),
        ("ca_file", "", None),
        ("max_intake_bytes", "64 mib", 64 * 1024 * 1024),
        ("max_intake_bytes", "16777216", 16777216),
        ("log_format", "JSON", "json"),
    ],
)
def test_text_becomes_a_value(name, text, value):
    """Flags and variables are parsed alike; white space around does no harm."""
    setting = SETTINGS[name]
    assert getattr(load({name: text}, {}).settings, name) == value
    assert getattr(load({}, {setting.env: text}).settings, name) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("host", "", "is empty"),
        ("host", "127.0.0.1:8080", "bare address"),
        ("host", "http://h", "bare address"),
        ("port", "-1", "0 to 65535"),
        ("port", "1_0", "0 to 65535"),
        ("port", "８０", "0 to 65535"),
        ("port", "9" * 5000, "0 to 65535"),
        ("database", "postgresql://u:hidden@h/db", "PostgreSQL, which comes later"),
        ("database", "mysql://u:hidden@h/db", "'mysql' is not an engine"),
        ("database", "statuspush.db", "must be sqlite:///FILE"),
        ("database", "sqlite://statuspush.db", "must be sqlite:///FILE"),
        ("database", "sqlite:///", "must name a file"),
        ("database", "sqlite:///:memory:", "must name a file"),
        ("database", "sqlite:///a.db?mode=ro", "no parameters"),
        ("operator_token", "hidden", "at least 16"),
        ("operator_token", "hidden hidden hidden", "visible ASCII"),
        ("retry_interval_seconds", "0.01", "from 0.05"),
        ("retry_interval_seconds", "nan", "from 0.05"),
        ("allow_targets", "10.0.0.1/8", "has host bits set"),
        ("allow_targets", "example.com", "wrong network"),
        ("timezone", "../../etc/passwd", "IANA"),
        ("retention_days", "inf", "number of days"),
        ("proxy", "https://hidden@h:1", "must look like"),
        ("proxy", "http://u:hidden@h:x", "must look like"),
        ("proxy", "http://u:hidden@h/path", "must look like"),
        ("ca_file", "nowhere.pem", "there is none at 'nowhere.pem'"),
        ("max_sends", "0", "from 1"),
        ("max_intake_bytes", "64 apples", "number of bytes"),
        ("max_intake_bytes", "1", "at least 1MiB"),
        ("log_level", "loud", "one of debug, info"),
    ],
)
def test_a_wrong_value_says_what_is_expected(name, text, words):
    """And never repeats what may be a secret."""
    (problem,) = problems({name: text})
    assert problem.startswith(f"flag {SETTINGS[name].flag} ")
    assert words in problem
    assert "hidden" not in problem


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("port = true", "must be an integer"),
        ("port = 80.5", "must be an integer"),
        ("retention_days = true", "must be a number"),
        ("max_intake_bytes = true", "must be a number of bytes"),
        ("operator_token = 12345678901234567890", "must be a text"),
        ("allow_targets = [1]", "must be networks"),
        ("log_level = 1", "one of"),
    ],
)
def test_types_of_the_file_are_not_coerced(line, words):
    """A key of the file has a type of its own, and the wrong one is an error."""
    Path("statuspush.toml").write_text(line)
    (problem,) = problems()
    assert words in problem
    assert "1234567890" not in problem


def test_the_file_may_hold_numbers_and_lists():
    """As TOML writes them."""
    Path("statuspush.toml").write_text(
        "port = 80\nretention_days = 1\nallow_targets = ['10.0.0.0/8']\nproxy = ''\n"
    )
    settings = load({}, {}).settings
    assert (settings.port, settings.retention_days, settings.proxy) == (80, 1.0, None)
    assert settings.allow_targets == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_a_broken_file_is_named(content):
    """With what TOML has to say of it."""
    Path("statuspush.toml").write_bytes(content)
    (problem,) = problems()
    assert problem.startswith("statuspush.toml: ")


def test_a_directory_is_no_file(tmp_path):
    """The system's words are told."""
    assert problems(toml_path=tmp_path) == [f"{tmp_path}: can't be read: Is a directory"]


def test_variables_of_the_tools_are_no_settings():
    """Those for clients and for ./dev are let through, and so is everything without the prefix."""
    environ = {
        "STATUSPUSH_URL": "x",
        "STATUSPUSH_TOKEN": "x",
        "STATUSPUSH_VENV": "x",
        "STATUSPUSH_PYTHON": "x",
        "STATUSPUSHED": "x",
        "PATH": "x",
    }
    assert load({}, environ).settings == Settings()


def test_variables_of_kubernetes_are_explained():
    """A service named statuspush makes Kubernetes set STATUSPUSH_PORT to a URL."""
    found = problems(environ={"STATUSPUSH_PORT": "tcp://10.0.0.1:8080"})
    assert any("enableServiceLinks" in problem for problem in found)


def test_secrets_are_masked_and_stay_out_of_repr():
    """What is printed or logged never holds a token or password."""
    loaded = load({}, {"STATUSPUSH_OPERATOR_TOKEN": TOKEN, "STATUSPUSH_PROXY": "http://u:pw@h:1"})
    assert loaded.shown()["operator_token"] == "********"
    assert loaded.shown()["proxy"] == "http://********@h:1"
    assert load({}, {"STATUSPUSH_PROXY": "http://h:1"}).shown()["proxy"] == "http://h:1"
    for text in (repr(loaded), str(loaded.shown())):
        assert TOKEN not in text
        assert "pw" not in text


def test_an_interval_below_the_contract_is_warned_about():
    """It is allowed, for tests and demos."""
    (warning,) = load({"retry_interval_seconds": "5"}, {}).warnings()
    assert "contract's 300" in warning


def test_an_unknown_flag_is_the_programmers_mistake():
    """Flags come from our own command line."""
    with pytest.raises(TypeError):
        load({"prot": "1"}, {})


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_explained_in_both_languages(name):
    """The table is the documentation."""
    setting = SETTINGS[name]
    assert setting.env == f"STATUSPUSH_{name.upper()}"
    assert setting.flag == f"--{name.replace('_', '-')}"
    assert setting.help.endswith(".")
    assert setting.help_zh.endswith("。")
    assert setting.metavar.isupper()


@pytest.mark.parametrize("name", [name for name, s in SETTINGS.items() if s.default is not None])
def test_every_default_passes_its_own_check(name):
    """What `statuspush config` shows could be given as a flag."""
    setting = SETTINGS[name]
    shown = setting.show(setting.default)
    text = ",".join(shown) if isinstance(shown, list) else str(shown)
    assert setting.parse(text) == setting.default
