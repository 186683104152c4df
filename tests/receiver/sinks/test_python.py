"""Reports to a function of the operator's own."""

import sys
import threading

import pytest

from statuspush.core.errors import InputError
from statuspush.receiver.sinks import sink_from

MODULE = """
import threading
taken = []
class Desk:
    def take(self, reports):
        taken.append((reports, threading.current_thread()))
    async def take_later(self, reports):
        self.take(reports)
desk = Desk()
take, take_later, number = desk.take, desk.take_later, 7
def refuse(reports):
    raise RuntimeError("not today")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module ``own_sink`` in the current directory."""
    (tmp_path / "own_sink.py").write_text(MODULE)
    (tmp_path / "broken_sink.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield lambda: sys.modules["own_sink"]
    sys.modules.pop("own_sink", None)


async def deliver(text, reports):
    sink = sink_from(text)
    await sink.open()
    await sink.deliver(reports)
    await sink.close()


async def test_a_function_is_called_in_a_thread(module, make_reports):
    reports = make_reports(2)
    await deliver("python:own_sink:take", reports)
    ((taken, thread),) = module().taken
    assert taken == reports
    assert thread is not threading.main_thread()


async def test_an_async_function_runs_on_the_loop(module, make_reports):
    await deliver("python:own_sink:take_later", make_reports())
    ((_, thread),) = module().taken
    assert thread is threading.main_thread()


async def test_a_method_is_found_behind_dots(module, make_reports):
    await deliver("python:own_sink:desk.take", make_reports())
    assert len(module().taken) == 1


async def test_what_the_function_raises_is_raised(module, make_reports):
    with pytest.raises(RuntimeError, match="not today"):
        await deliver("python:own_sink:refuse", make_reports())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("python:no_such_sink:take", 'there is no module "no_such_sink"'),
        ("python:own_sink:missing", 'module "own_sink" has no "missing"'),
        ("python:own_sink:number", '"own_sink:number" is not a function'),
        ("python:broken_sink:take", "cannot be imported: ZeroDivisionError"),
    ],
)
async def test_what_cannot_be_called_is_told_at_the_start(module, text, told):
    with pytest.raises(InputError) as caught:
        await sink_from(text).open()
    assert told in str(caught.value)
