"""Facts about handlers: every report at least once, what fails again, and the dead letters."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import httpx
import pytest
from tests.receiver.conftest import FORM, push
from tests.scaffolding import ManualClock

from statuspush.core.errors import InputError, ServiceError, StoreRefused
from statuspush.receiver import Gate, Receiver, decode
from statuspush.receiver.handlers import Handler
from statuspush.receiver.inbox import InboxBroken, InboxUnavailable

SOON = 0.01


class Calls:
    """What a handler was called with, and a wait for it."""

    def __init__(self):
        self.sids = []
        self.lists = []
        self._changed = threading.Condition()

    def add(self, *reports):
        with self._changed:
            self.sids += [report.sid for report in reports]
            self.lists.append([report.sid for report in reports])
            self._changed.notify_all()

    def wait(self, count):
        self.until(lambda sids: len(sids) >= count)

    def until(self, condition):
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.sids), 10), self.sids


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/inbox.db"


@pytest.fixture
def make(url):
    """A receiver on the test's inbox, stopped at the end."""
    made = []

    def receiver(**options):
        made.append(Receiver(url, **options))
        return made[-1]

    yield receiver
    for each in made:
        each.stop()


def settled(receiver, dead=0, seconds=10):
    """Wait until so many dead letters are there."""
    deadline = time.monotonic() + seconds
    while len(found := receiver.dead_letters()) < dead:
        assert time.monotonic() < deadline
    return found


def test_a_handler_gets_each_report_once_after_the_answer(make, calls):
    receiver = make()
    receiver.on_report(calls.add)
    for _ in range(2):
        assert receiver.accept(push("a", "b"), FORM).body == b"SUCCESS"
    receiver.accept(push("c"), FORM)
    calls.wait(3)
    assert sorted(calls.sids) == ["a", "b", "c"]


def test_an_async_handler_is_awaited(make, calls):
    receiver = make()

    @receiver.on_report
    async def handle(report):
        await asyncio.sleep(0)
        calls.add(report)

    receiver.accept(push("a"), FORM)
    calls.wait(1)


def test_a_report_is_what_was_sent(make, calls):
    receiver = make()
    seen = []
    receiver.on_report(lambda report: (seen.append(report), calls.add(report)), name="it")
    body = push({"sid": "a", "mobile": "+37258483726", "uid": None, "more": [1]})
    receiver.accept(body, FORM)
    calls.wait(1)
    assert seen == decode(body)
    assert seen[0].mobile_e164 == "+37258483726"


def test_a_batch_holds_as_many_as_it_may(make, calls):
    receiver = make()
    receiver.on_batch(max=3, wait=SOON)(lambda reports: calls.add(*reports))
    receiver.accept(push(*"abcdefg"), FORM)
    calls.wait(7)
    assert [len(each) for each in calls.lists] == [3, 3, 1]


def test_a_batch_waits_for_more(make, calls):
    receiver = make()
    receiver.on_batch(max=2, wait=30)(lambda reports: calls.add(*reports))
    receiver.accept(push("a"), FORM)
    receiver.accept(push("b"), FORM)
    calls.wait(2)
    assert calls.lists == [["a", "b"]]


def test_what_fails_is_tried_again(make, calls):
    receiver = make()
    failures = iter([True, True, False])

    @receiver.on_report(backoff=SOON)
    def handle(report):
        if next(failures):
            raise ValueError("not yet")
        calls.add(report)

    receiver.accept(push("a"), FORM)
    calls.wait(1)
    assert receiver.dead_letters() == []


def test_after_the_last_attempt_it_is_a_dead_letter_and_others_are_handled(make, calls):
    receiver = make()

    @receiver.on_report(backoff=SOON, attempts=3)
    def handle(report):
        if report.sid == "bad":
            raise ValueError("never")
        calls.add(report)

    receiver.accept(push("bad", "a", "b"), FORM)
    calls.wait(2)
    (letter,) = settled(receiver, 1)
    assert (letter.sid, letter.attempts, letter.error) == ("bad", 3, "ValueError: never")
    assert receiver.dead_letters(sid="other") == []


def test_a_poison_report_of_a_batch_ends_alone(make, calls):
    receiver = make()

    @receiver.on_batch(max=100, wait=SOON, backoff=SOON, attempts=6)
    def handle(reports):
        if any(report.sid == "bad" for report in reports):
            raise ValueError("poison")
        calls.add(*reports)

    receiver.accept(push(*(str(n) for n in range(50)), "bad"), FORM)
    calls.wait(50)
    (letter,) = settled(receiver, 1)
    assert letter.sid == "bad"
    assert sorted(calls.sids) == sorted(str(n) for n in range(50))


def test_a_dead_letter_can_be_replayed(make, calls):
    receiver = make()
    mended = threading.Event()

    @receiver.on_report(backoff=SOON, attempts=1)
    def handle(report):
        if not mended.is_set():
            raise ValueError
        calls.add(report)

    receiver.accept(push("a"), FORM)
    settled(receiver, 1)
    mended.set()
    assert receiver.replay() == 1
    calls.wait(1)
    assert receiver.dead_letters() == []


def test_dead_letters_can_be_purged(make):
    receiver = make()

    @receiver.on_report(attempts=1)
    def handle(report):
        raise ValueError

    receiver.accept(push("a", "b"), FORM)
    first, second = settled(receiver, 2)
    assert receiver.purge([first.id]) == 1
    assert receiver.dead_letters() == [second]
    assert receiver.purge() == 1


def test_what_takes_too_long_has_failed(make):
    receiver = make()

    @receiver.on_report(timeout=SOON, attempts=1)
    async def handle(report):
        await asyncio.Event().wait()

    receiver.accept(push("a"), FORM)
    (letter,) = settled(receiver, 1)
    assert "longer than 0.01 s" in letter.error


def test_in_order_nothing_overtakes_a_report_that_fails(make, calls):
    receiver = make()
    failures = iter([True, True])

    @receiver.on_report(ordered=True, backoff=SOON)
    def handle(report):
        if report.sid == "a" and next(failures, False):
            raise ValueError
        calls.add(report)

    receiver.accept(push("a", "b"), FORM)
    receiver.accept(push("c"), FORM)
    calls.wait(3)
    assert calls.sids == ["a", "b", "c"]


def test_in_order_what_never_works_is_passed_over(make, calls):
    receiver = make()

    @receiver.on_report(ordered=True, backoff=SOON, attempts=2)
    def handle(report):
        if report.sid == "a":
            raise ValueError
        calls.add(report)

    receiver.accept(push("a", "b"), FORM)
    calls.wait(1)
    assert [letter.sid for letter in settled(receiver, 1)] == ["a"]


def test_what_waits_is_handled_after_a_restart(make, calls):
    first = make()
    first.accept(push("a", "b"), FORM)
    first.stop()
    second = make()
    second.on_report(calls.add)
    second.start()
    calls.wait(2)
    second.stop()
    third = make()
    third.on_report(calls.add)
    third.accept(push("c"), FORM)
    calls.wait(3)
    assert sorted(calls.sids) == ["a", "b", "c"]


def test_each_handler_gets_everything(make):
    receiver = make()
    one, other = Calls(), Calls()
    receiver.on_report(name="one")(one.add)
    receiver.on_batch(name="other", wait=SOON)(lambda reports: other.add(*reports))
    receiver.accept(push("a", "b"), FORM)
    one.wait(2)
    other.wait(2)


def test_two_handlers_of_one_name_are_an_error(make):
    receiver = make()
    receiver.on_report(name="one")(print)
    with pytest.raises(InputError, match="one"):
        receiver.on_batch(name="one")(print)


@pytest.mark.parametrize("inbox", ["inbox.db", "sqlite:///", "postgresql://host/db"])
def test_an_inbox_is_a_sqlite_url(inbox):
    with pytest.raises(InputError, match="sqlite:///PATH"):
        Receiver(inbox)


def test_a_second_receiver_on_one_inbox_is_refused(make):
    make().start()
    with pytest.raises(StoreRefused, match="another statuspush process"):
        make().start()


async def test_handlers_run_on_the_loop_that_entered_it(make, calls):
    receiver = make()
    loops = []

    @receiver.on_report
    async def handle(report):
        loops.append(asyncio.get_running_loop())
        calls.add(report)

    transport = httpx.ASGITransport(receiver.asgi)
    async with receiver, httpx.AsyncClient(transport=transport) as client:
        answer = await client.post("http://receiver/voice", content=push("a"), headers=FORM)
        assert answer.text == "SUCCESS"
        await asyncio.to_thread(calls.wait, 1)
    assert loops == [asyncio.get_running_loop()]


def test_what_is_handled_and_old_is_removed(make, calls, url):
    first = make(clock=ManualClock(), window_hours=1)
    first.on_report(name="it")(calls.add)
    first.accept(push("a"), FORM)
    calls.wait(1)
    first.stop()
    later = ManualClock()
    later.time += 3_600_001
    second = make(clock=later, window_hours=1)
    second.on_report(name="it")(calls.add)
    second.start()
    deadline = time.monotonic() + 10
    count = "SELECT count(*) FROM batches"
    while second._inbox.run(lambda c: c.execute(count).fetchone()[0]).result():
        assert time.monotonic() < deadline
    assert second.accept(push("a"), FORM).acknowledged
    calls.wait(2)


HANDLES = """
import os, sys, threading
from pathlib import Path
from urllib.parse import quote
from statuspush.receiver import Receiver
receiver = Receiver(sys.argv[1])
journal = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@receiver.on_report(concurrency=4)
def handle(report):
    os.write(journal, f"begin {report.sid}\\n".encode())
    os.write(journal, f"end {report.sid}\\n".encode())

receiver.start()
first = int(sys.argv[3])
for number in range(first, first + 1_000_000):
    text = quote('[' + ','.join('{"sid":"%d-%d"}' % (number, n) for n in range(5)) + ']')
    answer = receiver.accept(f"voice_status={text}".encode(), {})
    assert answer.body == b"SUCCESS"
    os.write(1, b"%d\\n" % number)
"""


def test_kill_9_loses_nothing_and_repeats_only_what_was_inside_the_handler(url, tmp_path, make):
    """Ten kills; what was acknowledged and what was handled is noted outside."""
    journal = tmp_path / "handled"
    told, first = [], 0
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", HANDLES, url, str(journal), str(first)],
            stdout=subprocess.PIPE,
        )
        with process:
            told += [int(process.stdout.readline()) for _ in range(30)]
            os.kill(process.pid, signal.SIGKILL)
            told += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        first = told[-1] + 2
    receiver = make()
    rest = Calls()
    receiver.on_report(name="handle")(rest.add)
    receiver.start()
    wanted = {f"{number}-{n}" for number in told for n in range(5)}
    ended = [line[4:] for line in journal.read_text().splitlines() if line.startswith("end ")]
    rest.until(lambda sids: wanted <= {*ended, *sids})
    receiver.stop()
    handled = ended + rest.sids
    assert len(handled) - len(set(handled)) <= 10 * 4


def test_half_a_surrogate_pair_reaches_the_handler(make, calls):
    receiver = make()
    seen = []
    receiver.on_report(name="it")(lambda report: (seen.append(report), calls.add(report)))
    receiver.accept(push({"sid": "a", "error_msg": "\ud83d"}), FORM)
    calls.wait(1)
    assert seen[0].error_msg == "\ud83d"


def test_in_order_one_account_does_not_wait_for_another(make, calls):
    receiver = make(gate=Gate(tokens={"one": "1" * 16, "two": "2" * 16}))
    go_on = threading.Event()

    @receiver.on_report(ordered=True)
    def handle(report):
        if report.sid == "a":
            go_on.wait(10)
        calls.add(report)

    receiver.accept(push("a", "b"), FORM, path="/" + "1" * 16)
    receiver.accept(push("c", "d"), FORM, path="/" + "2" * 16)
    calls.wait(2)
    assert calls.sids == ["c", "d"]
    go_on.set()
    calls.wait(4)
    assert calls.sids == ["c", "d", "a", "b"]


def test_a_line_that_waits_is_not_read_without_end(make, calls):
    """Nor does the handler spin meanwhile."""
    receiver = make()
    go_on = threading.Event()

    @receiver.on_report(ordered=True)
    def handle(report):
        go_on.wait(10)
        calls.add(report)

    for first in range(0, 4000, 500):
        receiver.accept(push(*(str(n) for n in range(first, first + 500))), FORM)
    began = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - began < 0.2
    (run,) = receiver._runs
    assert len(run._queue) < 2000 + 8 * 500
    go_on.set()
    calls.wait(100)
    assert calls.sids[:100] == [str(n) for n in range(100)]


async def test_a_handler_that_has_ended_is_seen(make, caplog):
    receiver = make()
    receiver.on_report(name="it")(print)

    def breaks(connection):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    async with receiver:
        assert await receiver.check() is None
        with pytest.raises(InboxBroken):
            await asyncio.wrap_future(receiver._inbox.run(breaks))
        receiver._runs[0].arrived()
        receiver._runs[0].replayed()
        while not caplog.records:
            await asyncio.sleep(0)
        assert "it has ended" in await receiver.check()


def test_after_everything_old_was_removed_what_comes_is_handled_all_the_same(make, calls):
    """Also after a restart: a number that a batch has had is never given again."""

    def running(clock):
        receiver = make(clock=clock, window_hours=1)
        receiver.on_report(name="it")(calls.add)
        return receiver.start()

    clock = ManualClock()
    first = running(clock)
    for sid in "abc":
        first.accept(push(sid), FORM)
    calls.wait(3)
    first.stop()
    clock.time += 3_600_001
    second = running(clock)
    deadline = time.monotonic() + 10
    while second._inbox.run(lambda c: c.execute("SELECT 1 FROM batches").fetchone()).result():
        assert time.monotonic() < deadline
    second.stop()
    third = running(clock)
    third.accept(push("d"), FORM)
    calls.wait(4)
    assert calls.sids[-1] == "d"


def test_the_wait_doubles_up_to_the_longest_however_often_it_failed():
    handler = Handler("it", print, batch=True, backoff=0.5, longest_backoff=60)
    assert [handler.backoff_after(n) for n in (1, 2, 3, 7, 8)] == [0.5, 1, 2, 32, 60]
    assert handler.backoff_after(1 << 30) == 60


def test_a_sink_that_fails_is_in_the_log_without_what_it_quotes(make, calls, caplog):
    caplog.set_level("INFO")
    receiver = make()
    failures = iter([ValueError("DETAIL: (mobile)=(15205201314)"), ServiceError("no broker")])

    def deliver(reports):
        for error in failures:
            raise error
        calls.add(*reports)

    receiver.add_handler(Handler("to", deliver, batch=True, wait=0, ordered=True, backoff=SOON))
    receiver.accept(push("a"), FORM)
    calls.wait(1)
    receiver.stop()
    assert [r.getMessage() for r in caplog.records if "handler" in r.getMessage()] == [
        "handler to failed, attempt 1, again in 0.01 s: ValueError",
        "handler to failed, attempt 2, again in 0.02 s: no broker",
        "handler to works again",
    ]


def test_without_a_wait_a_batch_holds_what_is_there(make, calls):
    receiver = make()
    receiver.on_batch(max=100, wait=0)(lambda reports: calls.add(*reports))
    receiver.accept(push(*(str(n) for n in range(250))), FORM)
    calls.wait(250)
    assert [len(each) for each in calls.lists] == [100, 100, 50]


def test_what_needs_the_inbox_says_that_the_receiver_is_not_open(url):
    receiver = Receiver(url)
    with pytest.raises(InboxUnavailable, match="the receiver is not open"):
        receiver.dead_letters()
