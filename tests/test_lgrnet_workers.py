"""Processes that end with the command they work for."""

import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from lgrnet import workers
from lgrnet.workers import open_pool, run_jobs

PARENT = """
import os, time
from lgrnet.workers import open_pool
pool = open_pool(1)
print(pool.submit(os.getpid).result(), flush=True)
pool.submit(time.sleep, 300)
time.sleep(300)
"""


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waits for somebody to ask how it ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_no_more_processes_than_windows_waits_for(monkeypatch):
    asked = []
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 128)
    monkeypatch.setattr(workers, "Pool", lambda count, **_: asked.append(count) or nullcontext())
    open_pool(None)
    open_pool(100)
    with pytest.raises(AttributeError):  # the stand-in takes no job
        list(run_jobs(print, [()] * 200, None))
    assert asked == [61, 100, 61]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's list of processes")
def test_a_worker_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    worker = int(parent.stdout.readline())
    assert is_running(worker)
    parent.send_signal(signal.SIGKILL)  # the parent alone, not its group
    parent.wait()
    deadline = time.monotonic() + 30
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def write_later(path, seconds):
    time.sleep(seconds)
    path.write_text("done")


@pytest.mark.parametrize("way", ["pool", "jobs"])
def test_jobs_that_have_not_begun_are_dropped_where_something_fails(tmp_path, way):
    paths = [tmp_path / str(number) for number in range(60)]
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        if way == "pool":
            with open_pool(1) as pool:
                jobs = [pool.submit(write_later, path, 0.05) for path in paths]
                jobs[0].result()
                raise KeyboardInterrupt
        for _ in run_jobs(write_later, [(path, 0.05) for path in paths], 1):
            raise KeyboardInterrupt
    done = len(list(tmp_path.iterdir()))
    assert 1 <= done < 10
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == done, "nobody goes on with the others"
