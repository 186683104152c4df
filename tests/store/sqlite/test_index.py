"""Facts about what finds reports again: tails, runs, and the filter over all runs."""

import asyncio
import struct
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statuspush.core.batch import NO_TEXT, make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.ranges import newest, united
from statuspush.storage.sid_filter import SidFilter, make_filter
from statuspush.store.sqlite import lookups
from statuspush.store.sqlite.runs import sort_run
from statuspush.store.sqlite.tail import UNIQUE, Tail

KEYS = st.lists(st.integers(0, 2**64 - 1), max_size=60)
RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


ROWS = 1 << 12
SMALL_RUNS = {"run_reports": 4, "filter_rows": ROWS}


def uint64(keys):
    return np.array(keys, np.uint64)


@pytest.mark.sizes(**SMALL_RUNS)
async def test_reports_are_sorted_into_runs_behind_the_log(desk):
    await desk.account()
    for _ in range(6):
        await desk.submit(3)
    await desk.settle()
    assert len(desk.store._log._run_reports) >= 2
    assert len(desk.store._log.tails) == 1


async def test_a_tail_that_is_not_full_is_sorted_when_it_is_old(desk):
    await desk.account()
    await desk.submit(1)
    await desk.settle()
    before = len(desk.store._log._run_reports)
    desk.turn(minutes=6 * 60 + 1)
    await desk.settle()
    assert len(desk.store._log._run_reports) == before + 1
    assert desk.store._log.tails[-1].reports == 0


@pytest.mark.sizes(**SMALL_RUNS)
async def test_more_runs_than_the_filter_was_made_for_are_all_looked_at(desk):
    await desk.account()
    for _ in range(70):
        await desk.submit(4)
        await desk.settle()
    assert len(desk.store._log._run_reports) > 64
    for _ in range(2):
        known = [desk.report(n) for n in range(1, 281)]
        assert (await desk.append(known)).duplicates == 280
        assert (await desk.append(known[:3])).duplicates == 3
        await desk.reopen()


@settings(max_examples=50, deadline=None)
@given(runs=st.lists(KEYS, min_size=1, max_size=12), removed=st.sets(st.integers(0, 11)))
def test_a_filter_never_misses_a_sid_of_a_run_it_has(runs, removed):
    added, loaded = SidFilter(ROWS), SidFilter(ROWS)
    for run, keys in enumerate(runs):
        added.assign(run, added.prepare(uint64(keys)))
    loaded.load((run, make_filter(uint64(keys), ROWS)) for run, keys in enumerate(runs))
    for filters in (added, loaded):
        for run in removed:
            filters.remove(run)
        filters.give_back(filters.prepare(uint64(runs[0])))
        filters.assign(99, filters.prepare(uint64(runs[0])))
        kept = {run: keys for run, keys in enumerate(runs) if run not in removed}
        wanted = [key for keys in runs for key in keys]
        for some in (wanted, wanted[:5]):
            found = filters.look(some)
            for index, key in enumerate(some):
                holders = {run for run, keys in kept.items() if key in keys}
                assert holders <= set(found.get(index, ()))
                assert not set(found.get(index, ())) & removed


def one_report(sid, mobile, uid):
    """The keys of a batch of one."""
    return struct.pack("=3Q", sid, mobile, uid)


@given(keys=st.lists(st.integers(1, 6), min_size=1, max_size=30))
def test_a_tail_knows_every_chunk_of_a_key(keys):
    tail = Tail(7)
    for seq, key in enumerate(keys):
        chunk, _ = tail.begin_chunk(1, seq, 1)
        tail.add_reports(one_report(key, key, NO_TEXT), [key], [chunk], [1], 0)
    for key in range(1, 7):
        chunks = {7 + at for at, held in enumerate(keys) if held == key}
        assert tail.chunks_with(UNIQUE, [key]) == tail.chunks_with(1, [key]) == chunks
        assert tail.has_none_of([key]) is (not chunks)
        assert (key in tail) is bool(chunks)
        assert tail.chunks_with(2, [key]) == set()
    assert tail.chunks_with(UNIQUE, list(range(1, 7))) == {7 + at for at in range(len(keys))}


def test_a_run_has_no_entries_for_reports_without_uid():
    tail = Tail(1)
    for seq, uid in enumerate([NO_TEXT, 5, NO_TEXT]):
        chunk, _ = tail.begin_chunk(1, seq, 1)
        tail.add_reports(one_report(seq + 1, 9, uid), [seq + 1], [chunk], [1], 0)
    entries = [len(block) // 12 for key, _, block in sort_run(tail, ROWS).blocks if key == 2]
    assert entries == [1]


@given(ranges=RANGES)
def test_united_ranges_are_the_same_seqs_in_order_and_apart(ranges):
    def seqs(found):
        return {seq for first, end in found for seq in range(first, end)}

    found = united(ranges)
    assert seqs(found) == seqs(ranges)
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(ranges=RANGES)
def test_each_seq_belongs_to_the_newest_push_that_has_it(ranges):
    pushes = [(number, first, end) for number, (first, end) in enumerate(ranges)]
    owner = {seq: push for push, first, end in pushes for seq in range(first, end)}
    found = newest(pushes)
    assert {seq: part.push for part in found for seq in range(part.first, part.end)} == owner
    assert [part.first for part in found] == sorted(part.first for part in found)


async def test_a_look_up_never_shows_what_is_not_committed(watch, watched):
    desk = watched
    await desk.account()
    reached, go_on = threading.Event(), threading.Event()

    def hold(connection, sql):
        if sql == "COMMIT":
            reached.set()
            go_on.wait(10)

    watch.on_before = hold
    reports = desk.reports(1)
    task = asyncio.create_task(desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now))
    try:
        await asyncio.to_thread(reached.wait, 10)
        assert await desk.find(sid="sid-1") == []
    finally:
        go_on.set()
        watch.on_before = None
    await task
    assert len(await desk.find(sid="sid-1")) == 1


@pytest.mark.sizes(**SMALL_RUNS)
async def test_a_look_up_during_which_a_run_is_made_finds_its_reports(desk, monkeypatch):
    await desk.account()
    reports = desk.reports(4)
    await desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)
    further = desk.reports(1)
    await desk.append_batch(make_batch(further, VOICE_STATUS), desk.now)
    looked, go_on = threading.Event(), threading.Event()
    real = lookups.find_in_runs

    def slow(*arguments):
        found = list(real(*arguments))
        looked.set()
        go_on.wait(10)
        return found

    monkeypatch.setattr(lookups, "find_in_runs", slow)
    task = asyncio.create_task(desk.find(sid="sid-2"))
    try:
        await asyncio.to_thread(looked.wait, 10)
        await desk.settle()
        assert len(desk.store._log.tails) == 1
    finally:
        go_on.set()
    assert [report.state for report in await task] == [State.WAITING]


@pytest.mark.sizes(**SMALL_RUNS)
async def test_runs_already_written_in_part_are_written_again_after_a_restart(desk):
    await desk.account("a")
    await desk.account("b")
    for _ in range(4):
        await desk.append_batch(
            make_batch([*desk.reports(1, "a"), *desk.reports(1, "b")], VOICE_STATUS), desk.now
        )
    for _ in range(20):
        swept = await desk.sweep()
        await desk.reopen()
        await desk.check()
        if not swept.more:
            break
    await desk.settle()
    for number in range(1, 9):
        assert len(await desk.find(sid=f"sid-{number}")) == 1
