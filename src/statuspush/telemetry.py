"""What the service reports about itself: Prometheus metrics and log lines.

Every metric is defined here, and each room calls one small method where something happens.
No metric has account names as labels: thousands of accounts would make as many time series of
each, and the API already has per-account figures.
"""

import asyncio
import logging
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from statuspush import __version__
from statuspush.core.outcome import Outcome
from statuspush.tallies import Tallies

# Fine where the answer times of the service lie (milliseconds), coarse where an endpoint's
# deadline does (seconds).
_FAST: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_SEND: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0)

Snapshot = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Another process's counters and histograms: (sample, its labels) to value."""

REFUSALS: Final = (
    "invalid",
    "malformed",
    "too_large",
    "unsupported",
    "unauthorized",
    "unavailable",
    "other",
)
"""Reasons of ``statuspush_submissions_refused_total`` besides ``overloaded``."""


class Telemetry:
    """The metrics of one service, in a separate registry.

    The methods take microseconds and never raise, so they may be called anywhere in the flow.
    All durations are in seconds.
    """

    def __init__(self) -> None:
        # The _created series would double the number of series, and nobody reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)

        counted = Tallies()
        registry.register(counted)
        self._accepted = counted.counter(
            "statuspush_reports_accepted",
            "Reports stored durably.",
        )
        self._duplicates = counted.counter(
            "statuspush_reports_duplicate",
            "Reports left out because the account had their sid already.",
        )
        self._acknowledged = counted.counter(
            "statuspush_reports_acknowledged",
            "Reports in pushes that the customer acknowledged (a redriven report counts again).",
        )
        self._report_errors = counted.counter(
            "statuspush_report_errors",
            "Mistakes found in submitted reports.",
        )
        self._refused = counted.counters(
            "statuspush_submissions_refused",
            "Submissions refused as a whole, by reason.",
            "reason",
            (*REFUSALS, "overloaded"),
        )
        self._accept_seconds = counted.histogram(
            "statuspush_accept_seconds",
            "Time from a submission read to its reports being on disk.",
            _FAST,
        )
        self._attempts = counted.counters(
            "statuspush_attempts",
            "Sends of a push, by outcome.",
            "outcome",
            [outcome.value for outcome in Outcome],
        )
        self._attempt_seconds = counted.histogram(
            "statuspush_attempt_seconds",
            "Time from the start of a send to its verdict.",
            _SEND,
        )
        self._attempt_reports = counted.histogram(
            "statuspush_attempt_reports",
            "Reports in a sent push.",
            (1, 2, 5, 10, 25, 50, 100, 250, 500),
        )
        self._ended = counted.counters(
            "statuspush_pushes_ended",
            "Pushes that came to an end, by final state.",
            "state",
            ("delivered", "exhausted"),
        )
        self._sends_in_flight = Gauge(
            "statuspush_sends_in_flight", "Sends under way now.", registry=registry
        )
        self._commit_seconds = counted.histogram(
            "statuspush_commit_seconds",
            "Time of a commit of the store, with its fsync.",
            _FAST,
        )
        self._commit_verbs = counted.counter(
            "statuspush_commit_verbs",
            "Store calls that commits carried; divided by the number of commits, the group size.",
        )
        self._loop_lag = counted.histogram(
            "statuspush_event_loop_lag_seconds",
            "How late the event loop woke a timer.",
            _FAST,
        )
        self._reports_waiting = Gauge(
            "statuspush_reports_waiting", "Reports that wait to be pushed.", registry=registry
        )
        self._oldest_waiting = Gauge(
            "statuspush_oldest_waiting_seconds",
            "Age of the oldest report that waits, 0 when none does.",
            registry=registry,
        )
        self._reports_stored = Gauge(
            "statuspush_reports_stored", "Reports in the store.", registry=registry
        )
        pushes = Gauge(
            "statuspush_pushes_open",
            "Pushes that are not at their end, by state.",
            ["state"],
            registry=registry,
        )
        self._pushes_waiting = pushes.labels("waiting")
        self._pushes_sending = pushes.labels("sending")
        self._store_bytes = Gauge(
            "statuspush_store_bytes", "Size of the store on disk.", registry=registry
        )
        self._store_up = Gauge(
            "statuspush_store_up", "1 when the store answered the last scrape.", registry=registry
        )
        Gauge(
            "statuspush_build_info",
            "1, labelled with the versions that run.",
            ["version", "python"],
            registry=registry,
        ).labels(__version__, platform.python_version()).set(1)
        self._worker_deaths = counted.counter(
            "statuspush_worker_deaths",
            "Worker processes that ended without being told to.",
        )
        self._extra = _Extra()
        registry.register(self._extra)
        self._of_workers: dict[object, Snapshot] = {}
        self._of_dead_workers: Snapshot = {}

    # accepting

    def accepted(self, reports: int, duplicates: int) -> None:
        """Reports were stored; ``duplicates`` of the same submission were left out."""
        self._accepted.add(reports)
        if duplicates:
            self._duplicates.add(duplicates)

    def refused(self, errors: int) -> None:
        """A submission was refused for ``errors`` mistakes in its reports."""
        self._refused["invalid"].add()
        self._report_errors.add(errors)

    def turned_away(self, reason: str) -> None:
        """A submission was refused before its reports were looked at (see :data:`REFUSALS`)."""
        self._refused.get(reason, self._refused["other"]).add()

    def overloaded(self) -> None:
        """A submission was refused because too much was being accepted at the same time."""
        self._refused["overloaded"].add()

    def accept(self, seconds: float) -> None:
        """A submission was accepted in this time."""
        self._accept_seconds.observe(seconds)

    # sending

    def attempt(self, outcome: Outcome, seconds: float, reports: int) -> None:
        """A push of that many reports was sent once."""
        self._attempts[outcome].add()
        self._attempt_seconds.observe(seconds)
        self._attempt_reports.observe(reports)
        if outcome is Outcome.ACKNOWLEDGED:
            self._acknowledged.add(reports)

    def ended(self, state: str, pushes: int = 1) -> None:
        """Pushes reached a final state: ``delivered`` or ``exhausted``."""
        self._ended[state].add(pushes)

    def in_flight(self, sends: int) -> None:
        """This many sends are under way now."""
        self._sends_in_flight.set(sends)

    # the store

    def commit(self, seconds: float, verbs: int) -> None:
        """The store committed ``verbs`` calls together."""
        self._commit_seconds.observe(seconds)
        self._commit_verbs.add(verbs)

    def store(
        self,
        *,
        reports_stored: int,
        reports_waiting: int,
        pushes_waiting: int,
        pushes_sending: int,
        bytes_on_disk: int,
        extra: Mapping[str, float],
    ) -> None:
        """The figures of the store as of now.

        ``extra`` holds those of one engine only; each becomes ``statuspush_store_<name>``.
        """
        self._store_up.set(1)
        self._reports_stored.set(reports_stored)
        self._reports_waiting.set(reports_waiting)
        self._pushes_waiting.set(pushes_waiting)
        self._pushes_sending.set(pushes_sending)
        self._store_bytes.set(bytes_on_disk)
        self._extra.values = extra

    def store_down(self) -> None:
        """The store could not be asked; its other figures stay as they were."""
        self._store_up.set(0)

    def oldest_waiting(self, seconds: float) -> None:
        """Age of the oldest report that waits; 0 when none does."""
        self._oldest_waiting.set(seconds)

    # the process

    def loop_lag(self, seconds: float) -> None:
        """The event loop woke a timer this late."""
        self._loop_lag.observe(seconds)

    async def watch_loop(self, interval: float = 0.25) -> None:
        """Measure the lag of the running event loop until cancelled."""
        while True:
            due = time.perf_counter() + interval
            await asyncio.sleep(interval)
            self.loop_lag(max(0.0, time.perf_counter() - due))

    # several processes

    def snapshot(self) -> Snapshot:
        """All of this process's counters and histograms that are not zero."""
        return {
            (sample.name, tuple(sample.labels.items())): sample.value
            for metric in self.registry.collect()
            if metric.type in _SUMMED
            for sample in metric.samples
            if sample.value and not sample.name.startswith("process_")
        }

    def absorb(self, worker: object, snapshot: Snapshot) -> None:
        """Take over what a worker has counted so far, in place of its last report."""
        self._of_workers[worker] = snapshot

    def worker_died(self, worker: object) -> None:
        """Keep what a worker reported last, so that no counter ever goes back."""
        self._worker_deaths.add()
        for key, value in self._of_workers.pop(worker, {}).items():
            self._of_dead_workers[key] = self._of_dead_workers.get(key, 0.0) + value

    def exposition(self, accept: str | None) -> tuple[bytes, str]:
        """All metrics in the text format that fits the ``Accept`` header, and its media type."""
        encode, content_type = choose_encoder(accept or "")
        return encode(_Sum(self.registry, self._of_dead_workers, *self._of_workers.values())), (
            content_type
        )


_SUMMED: Final = ("counter", "histogram")


class _Sum(CollectorRegistry):
    """A registry whose counters include those of other processes."""

    def __init__(self, registry: CollectorRegistry, *others: Snapshot) -> None:
        super().__init__()
        self._registry = registry
        self._others = others

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.type in _SUMMED:
                metric.samples = [
                    sample._replace(
                        value=sample.value
                        + sum(
                            other.get((sample.name, tuple(sample.labels.items())), 0.0)
                            for other in self._others
                        )
                    )
                    for sample in metric.samples
                ]
            yield metric


class _Extra(Collector):
    """Gauges whose names only the engine knows."""

    def __init__(self) -> None:
        self.values: Mapping[str, float] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in sorted(self.values.items()):
            yield GaugeMetricFamily(
                f"statuspush_store_{name}", "Figure of the engine.", value=value
            )


def configure_logging(log_format: str, level: str) -> None:
    """Send all log lines, including those of libraries, to stderr in one format.

    :param log_format: ``console`` for people or ``json`` for programs (one object per line).
    :param level: minimum level shown: ``debug``, ``info``, ``warning`` or ``error``.

    Raises :class:`ValueError` for other words.
    """
    if log_format not in ("console", "json"):
        raise ValueError(f"log format must be console or json, not {log_format!r}")
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"log level must be debug, info, warning or error, not {level!r}")

    renderer: structlog.typing.Processor
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format == "json":
        common.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        # Never the variant that prints local variables, which hold tokens and phone numbers.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )

    # One handler for our lines and those of uvicorn and asyncio, so that a collector of logs
    # never meets a line in a second format.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=False,
    )
