"""Databases with reports from yesterday, made once and used for many runs."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.launch import DATABASE
from statuspush.store.sqlite import SqliteStore

COPIED_BYTES = 4 * 10**9
"""A larger file is not copied for each run; it grows from run to run instead."""

_BATCH = 10_000
_TOGETHER = 1000
"""Accounts created in one commit."""
_DAY_MS = 86_400_000


async def fill(database: Path, accounts: Sequence[str], reports: int, first: int = 0) -> None:
    """Store reports as yesterday's: accepted while the interface was off, so none waits.

    ``first`` of them are there already.
    """
    now = int(time.time() * 1000) - _DAY_MS
    store = SqliteStore.open(database, now)
    for some in range(0, len(accounts), _TOGETHER):
        names = accounts[some : some + _TOGETHER]
        await asyncio.gather(*(store.put_account(name, name, b"", now) for name in names))
    for start in range(first, reports, _BATCH):
        made = [stored_report(accounts, n) for n in range(start, min(start + _BATCH, reports))]
        await store.append_reports([make_batch(made, VOICE_STATUS)], now)
        while (await store.sweep(now, keep_from=0)).more:
            pass
    await store.close()


def stored_report(accounts: Sequence[str], number: int) -> Submission:
    """Report ``number`` of a file that was filled for these accounts."""
    return Submission(
        account=accounts[number % len(accounts)],
        sid=f"old{number:020x}",
        user_receive_time="2026-03-03 01:02:03",
        duration=number % 90,
        mobile=str(15200000000 + number % 100000000),
        report_status="SUCCESS",
        uid=f"order-{number}",
    )


class Prefilled:
    """Databases of one set of accounts, by how many reports they hold; close it to remove them."""

    def __init__(self, directory: Path, accounts: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="statuspush-prefill-", dir=directory))
        self._accounts = accounts
        self._sizes: set[int] = set()

    @contextlib.contextmanager
    def folder(self, reports: int) -> Iterator[Path]:
        """A folder for one run, with such a database in it if ``reports`` is not 0.

        It holds a copy, removed afterwards, or for files above :data:`COPIED_BYTES` the very one
        that the next run of this size will find, grown by this run.
        """
        made = self._made(reports) if reports else None
        if made is not None and (made / DATABASE).stat().st_size > COPIED_BYTES:
            yield made
            return
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            if made is not None:
                _copy(made / DATABASE, folder / DATABASE)
            yield folder
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder)

    def _made(self, reports: int) -> Path:
        folder = self._folder / f"stored-{reports}"
        if reports not in self._sizes:
            folder.mkdir()
            # A smaller one that is still as it was made is the first part of this.
            first = max((size for size in self._sizes if size < reports), default=0)
            smaller = self._folder / f"stored-{first}" / DATABASE
            if first and smaller.stat().st_size <= COPIED_BYTES:
                _copy(smaller, folder / DATABASE)
            else:
                first = 0
            asyncio.run(fill(folder / DATABASE, self._accounts, reports, first))
            self._sizes.add(reports)
        return folder


def _copy(source: Path, target: Path) -> None:
    """Copy, and wait until the copy is on disk: the run shall not wait for it."""
    shutil.copyfile(source, target)
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())
