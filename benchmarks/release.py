"""Make all that follows from the weights that ship: ``python -m benchmarks.release``.

``benchmarks/release.toml`` lists the steps: exports, the demo clip, figures, pictures, tables. Run
are those whose weights, data or command have changed since they last ended well, as many at a time
as asked for; a step waits for those that it needs, and one that fails stops only what needs it. Run
again, it goes on where it stopped.
"""

import argparse
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from benchmarks.shared.paths import ROOT
from runtime.console.help import purpose
from runtime.console.option_types import positive
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile

STEPS = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: Also of its log and of its stamp.
        command: A module and its arguments.
        reads: Files and folders that decide over the result, beside the command.
        writes: Files that it makes.
        needs: Names of steps that come before.
    """

    name: str
    command: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    needs: tuple[str, ...]

    def digest(self, root: Path) -> str:
        """Tell command and contents of what is read, in 16 hexadecimal digits."""
        told = hashlib.sha256(json.dumps(self.command).encode())
        for name in self.reads:
            path = root / name
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in files:
                if file.is_file() and "__pycache__" not in file.parts:
                    told.update(str(file.relative_to(path.parent)).encode())
                    told.update(file.read_bytes())
        return told.hexdigest()[:16]


def read_steps(path: Path = STEPS) -> list[Step]:
    """Read the list of steps, with its placeholders.

    Args:
        path: In the form of ``release.toml``.

    Raises:
        InputError: The file is missing or wrong; the message says where.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8"))["step"]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path}: {error}") from error
    steps: list[Step] = []
    for entry in entries:
        known = {step.name for step in steps}
        unknown = set(entry.get("needs", [])) - known
        if unknown:
            raise InputError(
                f"{path}: {entry['name']} needs {sorted(unknown)}, not listed above it"
            )
        steps.append(
            Step(
                entry["name"],
                tuple(shlex.split(entry["command"])),
                *(tuple(entry.get(key, ())) for key in ("reads", "writes", "needs")),
            )
        )
    return steps


def fill(steps: Sequence[Step], places: Mapping[str, Path | None]) -> tuple[list[Step], list[str]]:
    """Put files and folders where the placeholders are.

    Args:
        steps: With placeholders such as ``{rig}``.
        places: Name → path; None for what is not at hand.

    Returns:
        The steps that can be run, and the names of those that cannot: what is not at hand, nobody
        makes, and what was made before stays.
    """
    there = {f"{{{name}}}": str(path) for name, path in places.items() if path is not None}
    absent = [f"{{{name}}}" for name, path in places.items() if path is None]
    filled, left_out = [], []

    def put(words: tuple[str, ...]) -> tuple[str, ...]:
        for mark, path in there.items():
            words = tuple(word.replace(mark, path) for word in words)
        return words

    for step in steps:
        if any(mark in word for mark in absent for word in (*step.command, *step.reads)):
            left_out.append(step.name)
            continue
        needs = tuple(name for name in step.needs if name not in left_out)
        command, reads, writes = (put(words) for words in (step.command, step.reads, step.writes))
        filled.append(Step(step.name, command, reads, writes, needs))
    return filled, left_out


class Release:
    """The steps, and what has become of them.

    Args:
        steps: From :func:`fill`.
        work: Folder of logs and stamps.
        root: Folder in which commands run and from which paths count.
    """

    def __init__(self, steps: Sequence[Step], work: Path, root: Path = ROOT) -> None:
        self.steps, self.work, self.root = list(steps), work, root
        self._processes: set[subprocess.Popen] = set()
        self._guard, self._stopped = Lock(), False

    def is_current(self, step: Step) -> bool:
        """Tell whether a step has ended well since its command or what it reads has changed."""
        try:
            stamp = json.loads((self.work / f"{step.name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        made = all((self.root / name).exists() for name in step.writes)
        return made and stamp.get("digest") == step.digest(self.root)

    def run(self, lanes: int, force: Sequence[str] = ()) -> dict[str, str]:
        """Run what is not current.

        Args:
            lanes: Steps at a time; they share the cores.
            force: Names of steps to run in any case.

        Returns:
            Name → ``"current"``, ``"done"``, ``"failed"``, or ``"skipped"``, because a step that it
            needs has failed.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        outcome: dict[str, str] = {}
        running: dict[Future[bool], Step] = {}
        with ThreadPoolExecutor(lanes) as pool, self._none_left():
            while len(outcome) < len(self.steps):
                for step in self.steps:
                    if step.name in outcome or step in running.values():
                        continue
                    states = [outcome.get(name) for name in step.needs]
                    if any(state in ("failed", "skipped") for state in states):
                        outcome[step.name] = "skipped"
                    elif None in states or len(running) == lanes:
                        continue
                    elif self.is_current(step) and step.name not in force:
                        outcome[step.name] = "current"
                    else:
                        print(f"{step.name} …", flush=True)
                        running[pool.submit(self._run, step, lanes)] = step
                if not running:
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step = running.pop(future)
                    outcome[step.name] = "done" if future.result() else "failed"
        return outcome

    @contextmanager
    def _none_left(self) -> Iterator[None]:
        """End the running steps where the block ends by an exception, such as Ctrl-C."""
        try:
            yield
        except BaseException:
            with self._guard:  # a step may be about to begin
                self._stopped = True
                for process in self._processes:
                    process.terminate()
            raise

    def _run(self, step: Step, lanes: int) -> bool:
        """Run one step, and leave its stamp if it ends well."""
        digest = step.digest(self.root)  # before it may change what it reads
        threads = str(max(1, (os.cpu_count() or 1) // lanes))
        began = time.monotonic()
        log, stamp = (self.work / f"{step.name}.{kind}" for kind in ("log", "json"))
        stamp.unlink(missing_ok=True)  # what it has made may be half written from now on
        with log.open("w", encoding="utf-8") as file:
            with self._guard:
                if self._stopped:
                    return False
                process = subprocess.Popen(
                    [sys.executable, "-m", *step.command],
                    cwd=self.root, stdout=file, stderr=subprocess.STDOUT,
                    env={**os.environ, "OMP_NUM_THREADS": threads},
                )  # fmt: skip
                self._processes.add(process)
            code = process.wait()
            with self._guard:
                self._processes.discard(process)
        seconds = round(time.monotonic() - began, 1)
        absent = [name for name in step.writes if not (self.root / name).exists()]
        if code or absent:
            why = f"exit code {code}" if code else f"it made no {', '.join(absent)}"
            print(f"{step.name} failed after {seconds:g} s ({why}): {log}", file=sys.stderr)
            return False
        print(f"{step.name}: {seconds:g} s", flush=True)
        with PendingFile(stamp) as part:
            part.write_text(
                json.dumps({"digest": digest, "seconds": seconds}) + "\n", encoding="utf-8"
            )
        return True


def _from_root(path: Path | None) -> Path | None:
    """Name a path as seen from the project, so that no record tells where that lies."""
    if path is None:
        return None
    path = Path(os.path.abspath(path))  # not resolved: data may be a link to where there is room
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        0 if all steps that could be run are current, 1 if one has failed, 2 for bad input, 130
        behind Ctrl-C or SIGTERM.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.release", description=purpose(__doc__)
    )
    add = parser.add_argument
    rig = os.environ.get("LGRNET_FACE_RIG")
    add("--rig", type=Path, default=rig, help="face rig; else $LGRNET_FACE_RIG")
    add("--real", type=Path, help="what `python -m benchmarks.fetch` has fetched")
    add(
        "--data",
        type=Path,
        default=Path("data/faces"),
        help="rendered faces, all splits (default: %(default)s)",
    )
    add(
        "--work",
        type=Path,
        default=Path("out/release"),
        help="folder of logs (default: %(default)s)",
    )
    add("--lanes", type=positive, default=2, help="steps at a time (default: 2)")
    add("--force", nargs="+", default=[], metavar="STEP", help="run these in any case")
    add("--list", action="store_true", help="only tell what would be run")
    args = parser.parse_args(argv)
    places = {name: getattr(args, name) for name in ("rig", "real", "data", "work")}
    try:
        for name in ("rig", "real", "data"):
            if places[name] is not None and not places[name].exists():
                raise InputError(f"--{name} {places[name]} is not there")
        steps, left_out = fill(read_steps(), {name: _from_root(p) for name, p in places.items()})
        unknown = set(args.force) - {step.name for step in steps}
        if unknown:
            raise InputError(f"--force: no step {', '.join(sorted(unknown))}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if left_out:
        print(f"left out, for want of --rig or --real: {', '.join(left_out)}")
    release = Release(steps, args.work)
    if args.list:
        for step in steps:
            state = "current" if release.is_current(step) else "to run"
            print(f"{state:8} {step.name}: python -m {shlex.join(step.command)}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the steps as Ctrl-C does
    outcome = release.run(args.lanes, args.force)
    for state in ("current", "done", "failed", "skipped"):
        names = [name for name, what in outcome.items() if what == state]
        if names:
            print(f"{state}: {', '.join(names)}")
    return 1 if {"failed", "skipped"} & set(outcome.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
