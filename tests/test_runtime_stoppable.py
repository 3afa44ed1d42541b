"""Commands that are stopped, or whose reader goes, end without a traceback."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.console.stoppable import GOES_ON, KEPT, stoppable

ROOT = Path(__file__).parents[1]

COMMAND = """
import argparse, signal, sys, time
from runtime.console.stoppable import stoppable
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a script

@stoppable()
def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--wait", action="store_true")
    args = parser.parse_args(argv)
    print("it has begun", flush=args.wait)
    time.sleep(60 * args.wait)
    return 0

raise SystemExit(main())
"""

WORKERS = """
import signal, time
from lgrnet.workers import open_pool
from runtime.console.stoppable import stoppable
signal.signal(signal.SIGINT, signal.default_int_handler)

def work():
    print("it has begun", flush=True)
    time.sleep(60)

@stoppable()
def main(argv=None):
    with open_pool(1) as pool:
        jobs = [pool.submit(work) for _ in range(9)]
        jobs[0].result()

if __name__ == "__main__":
    raise SystemExit(main())
"""


STARTING = """
import signal
from lgrnet.workers import open_pool
from runtime.console.stoppable import stoppable
signal.signal(signal.SIGINT, signal.default_int_handler)

@stoppable()
def main(argv=None):
    with open_pool(2) as pool:
        jobs = [pool.submit(print) for _ in range(9)]
        print("it has begun", flush=True)
        signal.pause()

if __name__ == "__main__":
    raise SystemExit(main())
"""


@pytest.mark.parametrize("said", [KEPT, GOES_ON])
def test_ctrl_c_is_a_line_and_a_code(said, capsys):
    @stoppable(said)
    def main(argv=None):
        raise KeyboardInterrupt

    assert main([]) == 130
    assert capsys.readouterr() == ("", f"{said}\n")


def test_what_is_no_stop_is_as_before():
    @stoppable()
    def main(argv=None):
        """Do it."""
        if argv == ["--help"]:
            raise SystemExit(0)
        if argv == ["bad"]:
            raise RuntimeError("a fault")
        return 3

    assert main([]) == main() == 3
    assert main.__doc__ == "Do it."
    with pytest.raises(SystemExit):
        main(["--help"])
    with pytest.raises(RuntimeError, match="a fault"):
        main(["bad"])


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
@pytest.mark.parametrize("option", ["", "--help"])
def test_a_reader_that_goes_early(option, tmp_path):
    (tmp_path / "command.py").write_text(COMMAND)
    script = f"set -o pipefail; (sleep 0.5; {sys.executable} command.py {option}) | true"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disc that is always full")
@pytest.mark.parametrize("option", ["", "--help"])
def test_standard_output_that_cannot_be_written(option, tmp_path):
    (tmp_path / "command.py").write_text(COMMAND)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "command.py", *option.split()], cwd=tmp_path, text=True, timeout=60,
            stdout=full, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "error: standard output cannot be written (No space left on device)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_ctrl_c_beside_a_reader_that_ends_too(tmp_path, capsys):
    read, write = os.pipe()
    os.close(read)

    @stoppable()
    def main(argv=None):
        print("what nobody reads")
        raise KeyboardInterrupt

    with open(write, "w") as pipe, contextlib.redirect_stdout(pipe):
        assert main() == 130
    assert capsys.readouterr().err == f"{KEPT}\n"


def test_closed_streams_get_nothing(monkeypatch, capsys):
    @stoppable()
    def main(argv=None):
        raise argv[0]

    monkeypatch.setattr(sys, "stderr", None)
    assert main([KeyboardInterrupt]) == 130
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stdout", None)
    assert main([BrokenPipeError]) == 141


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for other processes")
@pytest.mark.parametrize("program", [COMMAND, WORKERS, STARTING])
def test_ctrl_c_of_a_terminal(program, tmp_path):
    (tmp_path / "command.py").write_text(program)
    process = subprocess.Popen(
        [sys.executable, "command.py", "--wait"], cwd=tmp_path, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "it has begun\n"
    os.killpg(process.pid, signal.SIGINT)  # the workers get it too
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, f"{KEPT}\n")
