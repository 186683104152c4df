"""Facts about metrics and logging."""

import asyncio
import json
import logging
import time

import pytest
import structlog

from statuspush.core.outcome import Outcome
from statuspush.telemetry import Telemetry, configure_logging


@pytest.fixture
def value(telemetry):
    return lambda name, **labels: telemetry.registry.get_sample_value(f"statuspush_{name}", labels)


def test_services_in_one_process_count_for_themselves():
    first, second = Telemetry(), Telemetry()
    first.accepted(5, 0)
    assert second.registry.get_sample_value("statuspush_reports_accepted_total") == 0


@pytest.mark.parametrize("outcome", Outcome)
def test_attempts_are_counted_by_outcome(telemetry, value, outcome):
    telemetry.attempt(outcome, 0.1, 5)
    assert value("attempts_total", outcome=outcome.value) == 1


def test_only_acknowledged_reports_count_as_such(telemetry, value):
    telemetry.attempt(Outcome.ACKNOWLEDGED, 0.1, 5)
    telemetry.attempt(Outcome.TIMEOUT, 15, 7)
    assert value("reports_acknowledged_total") == 5


def test_the_time_of_attempts_is_measured_in_seconds(telemetry, value):
    telemetry.attempt(Outcome.TIMEOUT, 15.5, 1)
    assert value("attempt_seconds_sum") == 15.5


def test_a_value_on_a_bound_of_a_histogram_is_within_it(telemetry, value):
    telemetry.accept(0.001)
    telemetry.accept(9)
    buckets = [value("accept_seconds_bucket", le=le) for le in ("0.0005", "0.001", "5.0", "+Inf")]
    assert buckets == [0, 1, 1, 2]


def test_ended_pushes_are_counted_by_state(telemetry, value):
    telemetry.ended("exhausted")
    telemetry.ended("exhausted", 2)
    assert value("pushes_ended_total", state="exhausted") == 3


def test_commits_tell_time_and_size_of_their_group(telemetry, value):
    telemetry.commit(0.002, 7)
    assert (value("commit_seconds_count"), value("commit_verbs_total")) == (1, 7)


def test_a_refusal_counts_the_submission_and_its_mistakes(telemetry, value):
    telemetry.refused(12)
    assert value("submissions_refused_total", reason="invalid") == 1
    assert value("report_errors_total") == 12


def test_an_unknown_reason_counts_as_other(telemetry, value):
    telemetry.turned_away("new")
    assert value("submissions_refused_total", reason="other") == 1


def test_sends_in_flight_go_up_and_down(telemetry, value):
    telemetry.in_flight(5)
    telemetry.in_flight(2)
    assert value("sends_in_flight") == 2


def test_figures_of_one_engine_only_get_a_metric_of_their_own(telemetry, value):
    telemetry.store(
        reports_stored=1,
        reports_waiting=2,
        pushes_waiting=3,
        pushes_sending=4,
        bytes_on_disk=5,
        extra={"runs": 6.0},
    )
    assert value("store_runs") == 6
    assert value("pushes_open", state="sending") == 4


async def test_the_lag_of_the_loop_is_measured(telemetry, value):
    watching = asyncio.create_task(telemetry.watch_loop(interval=0.01))
    await asyncio.sleep(0)
    time.sleep(0.06)
    await asyncio.sleep(0.02)
    watching.cancel()
    assert value("event_loop_lag_seconds_sum") > 0.04


def test_the_version_is_told(telemetry):
    assert 'version="' in telemetry.exposition(None)[0].decode().split("build_info{")[1]


@pytest.fixture
def log(capsys):
    """The lines logged so, as configured; all is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def log(log_format, level, write):
        configure_logging(log_format, level)
        write(structlog.get_logger("statuspush.test"))
        return capsys.readouterr().err.splitlines()

    yield log
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_hold_event_level_time_and_values(log):
    (line,) = log("json", "info", lambda logger: logger.warning("disk full", path="/x", 账户="甲"))
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "disk full",
        "level": "warning",
        "logger": "statuspush.test",
        "path": "/x",
        "账户": "甲",
    }


def test_lines_of_libraries_have_the_same_form(log):
    (line,) = log("json", "info", lambda _: logging.getLogger("uvicorn").error("x %s", 5))
    assert json.loads(line)["event"] == "x 5"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_levels_below_the_threshold_are_left_out(log, log_format):
    def write(logger):
        logger.info("no")
        logger.warning("yes")

    (line,) = log(log_format, "warning", write)
    assert "yes" in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_do_not_show_local_variables(log, log_format):
    def write(logger):
        token = "secret" + "-token"
        try:
            raise RuntimeError("broken") from None
        except RuntimeError:
            logger.exception("failed", length=len(token))

    text = "\n".join(log(log_format, "info", write))
    assert "broken" in text
    assert "secret-token" not in text


@pytest.mark.parametrize(("log_format", "level"), [("xml", "info"), ("json", "loud")])
def test_other_words_are_refused(log_format, level):
    with pytest.raises(ValueError, match="must be"):
        configure_logging(log_format, level)
