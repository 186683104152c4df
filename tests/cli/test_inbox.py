"""``inbox``: a receiver's reports and dead letters, while it runs."""

import json

import pytest
from tests.receiver.conftest import FORM, push
from tests.scaffolding import wait_for

from statuspush.receiver import Receiver


@pytest.fixture
def handled():
    return []


@pytest.fixture
def receiver(handled, tmp_path):
    """It has given up with the report "bad" until ``mended`` is there."""
    running = Receiver("sqlite:///inbox.db")

    @running.on_report(attempts=1)
    def handle(report):
        if report.sid == "bad" and not (tmp_path / "mended").exists():
            raise ValueError("no room")
        handled.append(report.sid)

    running.accept(push({"sid": "bad", "mobile": "+37258483726"}, "good"), FORM)
    wait_for("a dead letter", lambda: running.dead_letters() and "good" in handled)
    yield running
    running.stop()


def test_dead_letters_are_listed(cli, receiver):
    (letter,) = json.loads(cli("inbox", "list", "--json").stdout)
    assert letter["report"]["sid"] == "bad"
    assert letter["error"] == "ValueError: no room"
    assert letter["due_at"] is None
    table = cli("inbox", "list").stdout
    assert "bad" in table
    assert "no room" in table
    assert json.loads(cli("inbox", "list", "--sid", "good", "--json").stdout) == []


@pytest.mark.parametrize("value", ["bad", "+37258483726"])
def test_a_report_is_found_by_its_sid_and_its_number(cli, receiver, value):
    (line,) = cli("inbox", "find", value).stdout.splitlines()
    found = json.loads(line)
    assert (found["sid"], found["mobile"]) == ("bad", "+37258483726")
    assert found["arrived_at"].startswith("2")


def test_what_is_not_there_is_exit_status_1(cli, receiver):
    result = cli("inbox", "find", "37258483726")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_running_receiver_handles_what_is_replayed(cli, receiver, handled, tmp_path):
    (tmp_path / "mended").touch()
    (letter,) = receiver.dead_letters()
    assert cli("inbox", "replay", str(letter.id)).stdout == "1 will be handled again\n"
    wait_for("another call", lambda: "bad" in handled)
    assert receiver.dead_letters() == []


def test_dead_letters_are_purged(cli, receiver):
    assert cli("inbox", "purge", "--all").stdout == "1 deleted\n"
    assert receiver.dead_letters() == []


@pytest.mark.parametrize("verb", ["replay", "purge"])
def test_without_ids_all_must_be_said(cli, receiver, verb):
    assert cli("inbox", verb).exit_code == 2
    assert cli("inbox", verb, "1", "--all").exit_code == 2


def test_an_inbox_that_is_not_there_is_not_made(cli, tmp_path):
    result = cli("inbox", "list", "--inbox", "sqlite:///nowhere.db")
    assert result.exit_code == 2
    assert "no such inbox" in result.stderr
    assert not (tmp_path / "nowhere.db").exists()
