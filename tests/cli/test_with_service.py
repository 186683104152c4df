"""The commands against the real service: the way of an operator from the first account on."""

import json

import pytest
from tests.scaffolding import wait_for

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.wire import decode
from statuspush.launch import ServeProcess

pytestmark = pytest.mark.acceptance


@pytest.fixture
def service(tmp_path):
    """A running service; ends with the test, and must end well."""
    running = ServeProcess(tmp_path, {"retry_interval_seconds": "0.2"})
    try:
        yield running.start()
    finally:
        status = running.stop()
    assert status == 0


def test_the_way_of_an_operator(service, cli, serve, reports, tmp_path):
    """Account, endpoint, test, submit, exhausted, redrive, delete."""
    answers = [b"no"]
    customer = serve(lambda call: (200, {}, answers[0]))

    def statuspush(*arguments):
        return cli(*arguments, STATUSPUSH_URL=service.url, STATUSPUSH_TOKEN=service.token)

    def counts():
        shown = statuspush("account", "show", "acme", "--json").stdout
        return {k: n for k, n in json.loads(shown)["counts"]["reports"].items() if n}

    assert "apikey" in statuspush("account", "create", "acme", "--name", "Acme Ltd.").stdout
    assert "already exists" in statuspush("account", "create", "acme").stdout
    settings = ["--url", customer.url, "--mode", "on", "--secret", "new"]
    settings += ["--max-bytes", "90000", "--header", "X-Team: voice"]
    pushed = statuspush("account", "push", "acme", *settings)
    assert pushed.exit_code == 0, pushed.stderr
    cleared = ["--max-bytes", "none", "--header", "none"]
    assert statuspush("account", "push", "acme", *cleared).exit_code == 0
    assert statuspush("account", "test", "acme").exit_code == 1
    answers[0] = b"SUCCESS"
    assert statuspush("account", "test", "acme").exit_code == 0
    answers[0] = b"no"

    given = reports(1200, account="acme")
    (tmp_path / "r.json").write_text(json.dumps(given))
    submitted = statuspush("submit", "r.json", "--json")
    assert (submitted.exit_code, json.loads(submitted.stdout)["accepted"]) == (0, 1200)
    repeated = json.loads(statuspush("submit", "r.json", "--json").stdout)
    assert (repeated["accepted"], repeated["duplicates"]) == (0, 1200)
    (tmp_path / "wrong.json").write_text(json.dumps(reports(3, account="acme", duration=-1)))
    assert "line 1: duration: " in statuspush("submit", "wrong.json").stderr

    wait_for("exhausted", lambda: counts() == {"exhausted": 1200})
    answers[0] = b"0"
    customer.calls.clear()
    redriven = statuspush("redrive", "--account", "acme")
    assert redriven.stdout.endswith(" new pushes over 1,200 reports\n")
    wait_for("delivered", lambda: counts().get("delivered") == 1200)
    received = [report for call in customer.calls for report in decode(call.body, VOICE_STATUS)]
    for report in given:
        del report["account"]
    assert received == given
    listed = statuspush("account", "list").stdout
    assert "acme" in listed
    assert "1,200" in listed
    assert statuspush("account", "delete", "acme").exit_code == 0
    assert statuspush("account", "show", "acme").exit_code == 2


def test_a_database_in_use_is_not_migrated(service, cli, tmp_path):
    """Status 1: it can be done later."""
    result = cli("migrate", "--database", f"sqlite:///{tmp_path / 'statuspush.db'}")
    assert result.exit_code == 1
    assert "another statuspush process" in result.stderr
