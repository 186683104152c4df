"""What tests of all rooms stand on: a clock turned by hand, a report, waiting."""

import asyncio
import contextlib
import http.client
import time
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

NOW = 1_767_323_045_678
"""2026-01-02T03:04:05.678Z"""
SHANGHAI = ZoneInfo("Asia/Shanghai")
PATIENCE = 60.0
"""Seconds a wait may take on a busy machine; nothing is expected to take nearly as long."""


class ManualClock:
    """Stands still until it is turned."""

    def __init__(self, time: int = NOW) -> None:
        self.time = time
        """Milliseconds since the epoch."""
        self.off = 0
        """How far the wall clock is from it."""

    def now(self) -> int:
        return self.time

    def skew(self) -> int:
        return self.off

    def turn(self, seconds: float) -> None:
        self.time += round(seconds * 1000)


def report(account: str = "acme", sid: str = "sid-1", **changes: object) -> dict[str, object]:
    """A report as it is submitted."""
    return {
        "account": account,
        "sid": sid,
        "uid": "order-1",
        "user_receive_time": "2026-01-02 11:00:00",
        "duration": 15,
        "error_msg": None,
        "mobile": "15205201314",
        "report_status": "SUCCESS",
        **changes,
    }


def wait_for(what: str, met: Callable[[], Any], seconds: float = PATIENCE, every=0.02) -> Any:
    """Return the first true value of ``met``; an :class:`OSError` counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            value = met()
            if value:
                return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
