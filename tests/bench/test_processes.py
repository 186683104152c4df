"""What processes take is read of them and all their descendants."""

import os
import subprocess
import sys

import pytest

from statuspush.bench import processes
from statuspush.bench.processes import Usage
from statuspush.bench.sampler import Sampler

GRANDCHILD = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', "
    "'x = b\"x\" * 30_000_000; print(1, flush=True); input()'], stdin=sys.stdin)\n"
    "child.wait()"
)


@pytest.fixture
def parent():
    """A process with a child that holds 30 MB."""
    process = subprocess.Popen(
        [sys.executable, "-c", GRANDCHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield process
    process.communicate(b"\n", timeout=10)


def test_a_family_is_a_process_and_its_descendants(parent):
    """Itself first; ours has it too."""
    found = processes.family(parent.pid)
    assert found[0] == parent.pid
    assert len(found) == 2
    assert set(found) < set(processes.family(os.getpid()))


def test_memory_is_that_of_the_family(parent):
    """The child's 30 MB count."""
    with Sampler(parent.pid) as watch:
        pass
    assert watch.peak_mb > 20
    assert set(watch.most_mb) == set(processes.family(parent.pid))
    assert 0 <= watch.disk_share <= 1


def test_usage_grows():
    """With what this process does."""
    before = processes.usage([os.getpid()])
    sum(range(3_000_000))
    (used,) = processes.used(processes.usage([os.getpid()]), before)
    assert used.wanted >= used.cpu >= 0
    assert used.wanted > 0


def test_a_process_that_is_new_began_at_0():
    """Such as a worker that replaced one that died."""
    (used,) = processes.used([Usage(7, 3.0, 4.0)], [Usage(6, 1.0, 1.0)])
    assert used == Usage(7, 3.0, 4.0)


def test_a_process_that_has_ended_takes_nothing():
    """And is no error."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert processes.usage([gone.pid]) == [Usage(gone.pid, 0.0, 0.0)]
    assert processes.family(gone.pid) == [gone.pid]
    assert processes.shared_memory_mb(gone.pid) == 0


def test_the_machine_is_busy_or_not():
    """A share of all cores."""
    before = processes.machine_time()
    sum(range(3_000_000))
    assert 0 <= processes.machine_time().busy_share(before) <= 1
