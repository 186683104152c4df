"""Connections that tell what is asked of them and fail when a test wants it."""

import sqlite3
from functools import partial

import pytest


class Watched(sqlite3.Connection):
    """Hands every statement to the watch before it runs."""

    watch = None

    def execute(self, sql, *parameters):
        self.watch.before(self, sql)
        result = super().execute(sql, *parameters)
        self.watch.after(self, sql)
        return result

    def executemany(self, sql, rows):
        self.watch.before(self, sql)
        return super().executemany(sql, rows)


class Watch:
    """What the statements of all connections were, and which of them fails."""

    def __init__(self):
        self.statements = []
        self.fail = None  # (sql) -> an exception or None
        self.on_before = None
        self.on_after = None

    def before(self, connection, sql):
        self.statements.append(sql)
        if self.on_before is not None:
            self.on_before(connection, sql)
        error = self.fail(sql) if self.fail is not None else None
        if error is not None:
            raise error

    def after(self, connection, sql):
        if self.on_after is not None:
            self.on_after(connection, sql)

    def fail_at(self, number, code=sqlite3.SQLITE_FULL):
        """Let the so-manieth statement from now fail, and none after it."""
        left = [number]

        def fail(sql):
            left[0] -= 1
            return error(code) if left[0] == 0 else None

        self.fail = fail

    def fail_commits(self, code=sqlite3.SQLITE_FULL):
        """Let every COMMIT fail from now on."""
        self.fail_every("COMMIT", code)

    def fail_every(self, part, code):
        """Let every statement with that in it fail from now on."""
        self.fail = lambda sql: error(code) if part in sql else None


def error(code):
    """An error as SQLite's module raises it."""
    raised = sqlite3.OperationalError(f"made by a test: {code}")
    raised.sqlite_errorcode = code
    return raised


@pytest.fixture
def watch(monkeypatch):
    """Every connection opened in the test is watched."""
    watch = Watch()
    factory = type("WatchedHere", (Watched,), {"watch": watch})
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=factory))
    return watch


@pytest.fixture
async def watched(watch, desk):
    """A desk over watched connections."""
    watch.statements.clear()
    yield desk
    watch.fail = watch.on_before = watch.on_after = None
