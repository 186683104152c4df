"""Counting what does not depend on the machine: calls that Python makes, bytes that are written."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import read_submissions
from statuspush.store.sqlite import SqliteStore

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = 1_767_323_045_678


class Calls:
    """How many functions were called, Python's and C's, while it was entered."""

    def __init__(self):
        self.made = 0

    def __enter__(self):
        def count(frame, event, argument):
            if event in ("call", "c_call"):
                self.made += 1

        sys.setprofile(count)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)


def reports(count, *, accounts=1, first=0):
    """A request body with reports spread evenly over accounts, as platforms submit them."""
    return json.dumps(
        [
            {
                "account": f"account-{number % accounts}",
                "sid": f"{number:032x}",
                "uid": None if number % 2 else f"order-{number}",
                "user_receive_time": f"2026-01-02 11:00:{number % 60:02d}",
                "duration": number % 90,
                "error_msg": None if number % 3 else "用户信号不佳、关机等",
                "mobile": f"+3725848{number % 10000:04d}",
                "report_status": "SUCCESS" if number % 3 else "FAIL",
            }
            for number in range(first, first + count)
        ]
    ).encode()


def submissions(count, **how):
    return read_submissions(reports(count, **how), VOICE_STATUS, ndjson=False, tz=SHANGHAI)


def batch(count, **how):
    return make_batch(submissions(count, **how), VOICE_STATUS)


@contextlib.asynccontextmanager
async def open_store(directory, accounts):
    """A store whose accounts are on, at the point where nothing is left to do."""
    store = SqliteStore.open(Path(directory) / "statuspush.db", NOW)
    names = [f"account-{number}" for number in range(accounts)]
    await asyncio.gather(*(store.put_account(name, name, b"", NOW) for name in names))
    changes = {"mode": Mode.ON, "url": "https://customer.example/"}
    await asyncio.gather(*(store.change_push(name, changes, NOW) for name in names))
    yield store
    await store.close()


@pytest.fixture
def written(tmp_path):
    """Bytes in the write-ahead log of the test's store; it begins anew at 32 MiB."""
    return lambda: (tmp_path / "statuspush.db-wal").stat().st_size
