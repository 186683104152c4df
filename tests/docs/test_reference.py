"""The reference holds all there is: settings, routes, problems, metrics, commands."""

import asyncio
import json
import re
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
import pytest
import typer

from statuspush.cli.app import app as cli
from statuspush.clock import SteadyClock
from statuspush.config import SETTINGS, load
from statuspush.config.load import TOOL_VARIABLES
from statuspush.core.push_settings import PUSH_SETTINGS, PushSettings, shown
from statuspush.telemetry import Telemetry
from statuspush.web import problems, views
from statuspush.web.app import WebDependencies, create_app
from statuspush.web.operations_api import StatusView
from statuspush.web.reports_api import AcceptedView

OPERATION = pytest.mark.parametrize("name", ["docs/operation.md", "docs/operation.zh.md"])
UNLISTED_ROUTES = {"GET /openapi.json", "GET /docs", "GET /problems/{name}"}


@pytest.fixture(scope="module")
def openapi():
    """The document that a running service answers with."""
    nothing = cast("Any", None)
    deps = WebDependencies(
        store=nothing,
        accept=nothing,
        test_push=nothing,
        metrics=nothing,
        clock=SteadyClock(),
        telemetry=Telemetry(),
        timezone=ZoneInfo("Asia/Shanghai"),
        operator_token_hash=lambda: b"",
    )

    async def ask():
        transport = httpx.ASGITransport(create_app(deps))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return (await client.get("/openapi.json")).json()

    return asyncio.run(ask())


# configuration


def _settings_rows(document):
    rows = document("docs/configuration.md").rows()
    return {row[0].strip("`"): row for row in rows if len(row) == 5}


def test_each_setting_is_documented(document):
    """With its flag, its variable and its default; and nothing else is."""
    rows = _settings_rows(document)
    assert list(rows) == list(SETTINGS)
    for setting in SETTINGS.values():
        _, flag, variable, default, meaning = rows[setting.name]
        assert (flag, variable) == (f"`{setting.flag}`", f"`{setting.env}`")
        assert meaning
        if default == "none":
            assert setting.default in (None, ())
        else:
            assert setting.parse(default.strip("`")) == setting.default


def test_each_other_variable_is_documented(document):
    """Those of the commands and of ./dev."""
    rows = {row[0].strip("`") for row in document("docs/configuration.md").rows() if len(row) == 3}
    assert rows == set(TOOL_VARIABLES)


def test_the_example_of_a_settings_file_is_read(document, tmp_path):
    """As it stands there."""
    (example,) = [x for lang, x in document("docs/configuration.md").blocks() if lang == "toml"]
    file = tmp_path / "statuspush.toml"
    file.write_text(example)
    loaded = load({}, {}, file)
    assert loaded.settings.retention_days == 14
    assert len(loaded.settings.allow_targets) == 2


# the API


def test_each_route_is_documented(document, openapi):
    """Under a heading of its own; and no other is."""
    headings = {h.strip("`") for h in document("docs/api.md").headings if h.startswith("`")}
    routes = {
        f"{method.upper()} {path}" for path, item in openapi["paths"].items() for method in item
    }
    assert headings == routes | UNLISTED_ROUTES


def test_each_route_below_v1_has_an_example(document):
    """A call, and below it what it answers."""
    doc = document("docs/api.md")
    for heading in doc.headings:
        if not heading.startswith("`") or "/v1" not in heading:
            continue
        languages = [language for language, _ in doc.blocks(doc.section(re.escape(heading)))]
        assert languages[0] == "sh", heading
        assert "json" in languages or heading.startswith("`DELETE"), heading


def test_examples_of_answers_have_the_shape_of_the_answers(document):
    """No member too many and none too few."""
    doc = document("docs/api.md")
    found = re.findall(r"<!-- answers (\w+) -->\n```json\n(.*?)```", doc.text, re.DOTALL)
    assert len(found) > 12
    for name, text in found:
        view = {"AcceptedView": AcceptedView, "StatusView": StatusView}.get(name)
        example = json.loads(text)
        answer = (view or getattr(views, name)).model_validate(example)
        assert answer.model_dump(mode="json") == example, name


def test_each_push_setting_is_documented(document):
    """In the table of PATCH, as the table of settings has it."""
    defaults = shown(PushSettings())
    doc = document("docs/api.md")
    section = doc.section(re.escape("`PATCH /v1/accounts/{account}/push`"))
    assert doc.rows(section) == [
        [
            f"`{setting.name}`",
            setting.form.expected.en,
            f"`{json.dumps(defaults[setting.name])}`",
            setting.description.en,
        ]
        for setting in PUSH_SETTINGS
    ]


def test_each_problem_is_documented(document):
    """With type, status and the words of the code."""
    rows = {
        row[0].strip("`"): row for row in document("docs/api.md").rows() if "/problems/" in row[0]
    }
    assert set(rows) == {kind.uri for kind in problems.KINDS.values()}
    for kind in problems.KINDS.values():
        _, status, meaning = rows[kind.uri]
        assert status == str(kind.status.value)
        assert meaning == f"{kind.title.en}. {kind.meaning.en}"


# metrics and commands


@OPERATION
def test_each_metric_is_documented(document, name):
    """By the name that a scrape shows; and no other name occurs."""
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Telemetry().registry.collect()
        if family.name.startswith("statuspush_")
    }
    doc = document(name)
    rows = {row[0].strip("`").partition("{")[0] for row in doc.rows(doc.between("metrics"))}
    assert rows == exposed
    mentioned = set(re.findall(r"\bstatuspush_[a-z_]+[a-z]\b", doc.text))
    suffixed = {f"{name}{end}" for name in exposed for end in ("_bucket", "_count", "_sum")}
    assert mentioned - suffixed - exposed == set()


@OPERATION
def test_each_command_is_documented(document, name):
    """In the table of commands; and no other is."""
    group = cast("Any", typer.main.get_command(cli))
    commands = set()
    for word, command in group.commands.items():
        inner = getattr(command, "commands", None)
        commands |= {f"{word} {name}" for name in inner} if inner else {word}
    doc = document(name)
    rows = {row[0].strip("`") for row in doc.rows(doc.between("commands"))}
    assert {" ".join(row.split()[1:]) for row in rows} == commands
