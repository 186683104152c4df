"""A second process on the same file, and a file of a newer version, are refused and not touched."""

import hashlib
import sqlite3
import time

from tests.acceptance.harness import Submitters, reconcile, reports, stage


def test_a_second_process_is_refused_and_the_first_not_disturbed(tmp_path):
    with stage(tmp_path, ["a"]) as (service, customer):
        load = Submitters(service, ["a"], tmp_path / "accepted.journal").start()
        for _ in range(2):
            assert service.refused("--port", "0") not in (0, -9)
            assert service.out_path.read_text().count("listening") == 1
            said = service.log_path.read_text()
            assert "another statuspush process" in said
            assert f"pid {service.pid}" in said
            assert "Traceback" not in said
        assert service.running
        before = len(load.accepted)
        time.sleep(0.3)
        load.stop()
        assert len(load.accepted) > before
        assert load.refused.total() == 0
        service.drained()
        reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=0)


def test_a_second_process_may_start_when_the_first_was_killed(tmp_path):
    with stage(tmp_path, ["a"]) as (service, _):
        service.submit(reports("a", "r", 5))
        service.kill()
        service.port = 0
        service.start()
        service.drained()


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    with stage(tmp_path, ["a"]) as (service, _):
        service.terminate()
        with sqlite3.connect(service.database) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        before = _rows(service.database)
        assert service.refused() not in (0, -9)
        said = service.log_path.read_text()
        assert f"schema version {version + 1}" in said
        assert "nothing was changed" in said
        assert "Traceback" not in said
        assert _rows(service.database) == before
        with sqlite3.connect(service.database) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        service.start()


def _rows(database):
    """Everything that is in the database."""
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return hashlib.sha256(dump.encode()).hexdigest(), version
