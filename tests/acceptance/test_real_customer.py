"""The main job on real input: files handed in with ``statuspush submit``, pushed to customers
that are not ours, every sid reconciled by comparing files."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.customers import process, running
from tests.acceptance.harness import TOKEN, Service, report

FLASK = Path(__file__).with_name("flask_customer.py")
NODE = Path(__file__).with_name("node_customer.js")
COLUMNS = (
    *("account", "sid", "uid", "user_receive_time", "duration", "error_msg", "mobile"),
    "report_status",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), retry_interval_seconds="1") as service:
        yield service


def submit(service: Service, *arguments: str) -> dict[str, object]:
    """Run the command as an operator would; return what it printed as JSON."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "statuspush", "submit", *arguments, "--json"),
            *("--service", f"http://127.0.0.1:{service.port}"),
        ],
        env={**os.environ, "STATUSPUSH_OPERATOR_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def generate(path: Path, count: int, accounts: list[str], tag: str) -> list[str]:
    """Write a file of reports by its ending; return what each customer's row should be."""
    rows = []
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        if path.suffix == ".csv":
            table.writeheader()
        for number in range(count):
            made = report(accounts[number % len(accounts)], f"{tag}-{number}")
            if path.suffix == ".csv":
                table.writerow(made)
            else:
                file.write(json.dumps(made, ensure_ascii=False) + "\n")
            rows.append(_row(made["sid"], made["mobile"], made["uid"], made["error_msg"]))
    return sorted(rows)


def _row(*values: str | None) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def same(directory: Path, wanted: list[str], received: list[str]) -> None:
    """Write both sides to files and compare these, as one would with cmp."""
    left, right = directory / "submitted.txt", directory / "received.txt"
    left.write_text("".join(wanted))
    right.write_text("".join(sorted(received)))
    compared = subprocess.run(["cmp", left, right], capture_output=True, check=False)
    assert compared.returncode == 0, compared.stdout


def test_a_hundred_thousand_reports_to_flask(service, tmp_path):
    """NDJSON, four accounts; then CSV; then both files again: nothing is pushed twice."""
    accounts = ["north", "south", "east", "west"]
    database = tmp_path / "customer.db"
    lines, table = tmp_path / "reports.ndjson", tmp_path / "reports.csv"
    wanted = generate(lines, 100_000, accounts, "n")
    wanted_csv = generate(table, 5_000, accounts, "c")

    def received() -> list[str]:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            return [_row(*row[:4]) for row in db.execute("SELECT * FROM calls")]

    with process(str(FLASK), str(database)) as (_, port):
        for account in accounts:
            service.account(account, f"http://127.0.0.1:{port}/voice_status")
        began = time.monotonic()
        told = submit(service, str(lines))
        submitted = time.monotonic() - began
        assert (told["accepted"], told["duplicates"], told["refused"]) == (100_000, 0, 0)
        assert service.drained(100)["delivered"] == 100_000
        took = time.monotonic() - began
        same(tmp_path, wanted, received())

        told = submit(service, str(table))
        assert (told["accepted"], told["duplicates"]) == (5_000, 0)
        assert service.drained()["delivered"] == 105_000
        same(tmp_path, sorted(wanted + wanted_csv), received())

        pushes = service.counts("pushes")
        told = submit(service, str(lines), "--jobs", "4")
        assert (told["accepted"], told["duplicates"]) == (0, 100_000)
        told = submit(service, str(table))
        assert (told["accepted"], told["duplicates"]) == (0, 5_000)
        time.sleep(0.5)
        assert service.counts("pushes") == pushes
        assert len(received()) == 105_000
        sends = [p["attempts"] for account in accounts for p in service.pushes(account)]
    assert set(sends) == {1}, "Flask with its default limits takes every push at the first send"
    print(
        f"100,000 reports: submitted in {submitted:.1f} s, at the customer after {took:.1f} s, "
        f"{len(sends)} pushes"
    )


def test_a_small_limit_in_node(service, tmp_path):
    """100 kB, as Express takes: pushes of 500 are halved once, then the size is known."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    file = tmp_path / "reports.ndjson"
    wanted = generate(file, 5_000, ["express"], "e")
    stored = tmp_path / "stored.txt"
    customer = subprocess.Popen(
        [node, str(NODE), str(stored)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert customer.stdin is not None
    assert customer.stdout is not None
    try:
        service.account("express", f"http://127.0.0.1:{int(customer.stdout.readline())}/")
        assert submit(service, str(file))["accepted"] == 5_000
        service.drained()
        rows = [_row(*json.loads(line)) for line in stored.read_text("utf-8").splitlines()]
        same(tmp_path, wanted, rows)
        learned = service.api("GET", "/v1/accounts/express")["push"]["learned_max_bytes"]
        outcomes = Counter(
            attempt["outcome"]
            for push in service.pushes("express")
            for attempt in service.push(push["id"])["attempts"]
        )
        assert 50_000 < learned <= 100 * 1024
        assert outcomes["too_large"] == 1
        assert outcomes.keys() == {"too_large", "acknowledged"}
    finally:
        customer.stdin.close()
        customer.wait(10)
        customer.stdout.close()
