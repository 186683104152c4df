"""The receiver without what only Unix has, and without what only the sender needs."""

import json
import subprocess
import sys

import pytest
from tests.receiver.conftest import push

SENDERS = ("fastapi", "starlette", "structlog", "swagger_ui_bundle", "faststream", "psycopg")

WINDOWS = """
import asyncio, os, sys, types  # first: the library of Unix is not what is tried

sys.modules.update(dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios")))
for name in ("pread", "pwrite", "killpg", "fork", "O_CLOEXEC", "O_DIRECTORY", "geteuid"):
    delattr(os, name)
held = set()
msvcrt = sys.modules["msvcrt"] = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2


def locking(file, mode, count):
    \"\"\"Bytes that are locked as long as the file that locked them is open.\"\"\"
    where = os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR)
    assert (mode, count) == (msvcrt.LK_NBLCK, 1)
    assert where[1] > os.fstat(file).st_size, "others could not read what is locked"
    if where in held:
        raise PermissionError(13, "Permission denied")
    held.add(where)


msvcrt.locking = locking
"""

PUSH = """
import asyncio, json, sys
from statuspush.receiver import Receiver

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def main():
    handled = asyncio.Queue()
    receiver = Receiver("sqlite:///inbox.db")
    receiver.on_report(handled.put)
    refused = ""
    async with receiver:
        try:
            async with Receiver("sqlite:///inbox.db"):
                pass
        except Exception as error:
            refused = type(error).__name__
        answer = await receiver.accept_async(sys.stdin.buffer.read(), FORM)
        report = await handled.get()
        print(json.dumps({
            "answer": [answer.status, answer.body.decode()],
            "handled": [report.sid, report.mobile_e164],
            "second": refused,
            "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
        }))
"""

ASYNCIO = "sys.modules['uvloop'] = None; asyncio.run(main())"
UVLOOP = "import uvloop; asyncio.run(main(), loop_factory=uvloop.new_event_loop)"
if sys.version_info < (3, 12):
    UVLOOP = "import uvloop; asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())"


def run(code, directory, given=b""):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=given,
        cwd=directory,
        capture_output=True,
        timeout=60,
        check=False,
    )


def blocked(*names):
    return f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n"


@pytest.mark.parametrize(
    ("machine", "loop", "start"),
    [
        pytest.param(blocked(*SENDERS), "asyncio", ASYNCIO, id="base-asyncio"),
        pytest.param(blocked(*SENDERS), "uvloop", UVLOOP, id="base-uvloop"),
        pytest.param(blocked(*SENDERS) + WINDOWS, "asyncio", ASYNCIO, id="windows-asyncio"),
        pytest.param(blocked(*SENDERS) + WINDOWS, "uvloop", UVLOOP, id="windows-uvloop"),
    ],
)
def test_a_push_is_stored_acknowledged_and_handled(tmp_path, machine, loop, start):
    done = run(machine + PUSH + start, tmp_path, push({"sid": "s1", "mobile": "15205201314"}))
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {
        "answer": [200, "SUCCESS"],
        "handled": ["s1", "+8615205201314"],
        "second": "StoreRefused",
        "loop": loop,
    }


def test_lines_in_files_do_without_unix(tmp_path):
    """They are locked, recovered after a crash and renamed when they are complete."""
    code = """
import asyncio
from statuspush.receiver import Report
from statuspush.receiver.sinks.jsonl import JsonLinesSink

async def main():
    sink = JsonLinesSink("kept")
    await sink.open()
    await sink.deliver([Report({"sid": "s2"})])
    await sink.close()

asyncio.run(main())
"""
    torn = tmp_path / "kept" / "voice-20260102T030405Z-0001.jsonl.open"
    torn.parent.mkdir()
    torn.write_bytes(b'{"sid":"s1"}\n{"to')
    done = run(blocked(*SENDERS) + WINDOWS + code, tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    files = sorted(torn.parent.iterdir())
    assert [file.suffix for file in files] == [".jsonl", ".jsonl"]
    assert [json.loads(file.read_bytes()) for file in files] == [{"sid": "s1"}, {"sid": "s2"}]
