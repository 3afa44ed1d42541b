"""The first pass over a corpus: every sequence is checked, and all problems are told together."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from lgrnet.corpora.landmark_files import trace_to
from lgrnet.corpora.problems import CorpusError
from lgrnet.corpora.sequence import Checked, FrameSequence
from lgrnet.workers import open_pool, run_jobs


class Corpus(NamedTuple):
    """A corpus that passed the check.

    Attributes:
        sequences: In the order of the jobs.
        left_out: What was missing and allowed to be, each a line.
    """

    sequences: list[FrameSequence]
    left_out: list[str]


def check_all(
    check: Callable[..., Checked],
    jobs: Sequence[tuple[object, ...]],
    workers: int | None = None,
    progress: bool = True,
) -> Corpus:
    """Check the sequences of a corpus.

    Args:
        check: Checks one: :func:`lgrnet.corpora.bp4d.check` or that of another corpus.
        jobs: Its arguments, a tuple a sequence.
        workers: Processes; None for one a core, 0 for none but this one.
        progress: Whether to show a progress bar.

    Returns:
        The sequences.

    Raises:
        CorpusError: There are problems; it lists all of them.
        ImportError: A library that reads the files is not installed.
    """
    from tqdm import tqdm

    found: dict[int, Checked] = {}
    with tqdm(total=len(jobs), desc="checking", unit="sequence", disable=not progress) as bar:
        for place, future in run_jobs(check, jobs, workers):
            try:
                found[place] = future.result()
            except BrokenProcessPool:
                continue
            except OSError as error:
                found[place] = Checked(None, [f"{error.filename}: cannot be read ({error})"])
            bar.update()
        for place, checked in _check_alone(check, jobs, sorted(set(range(len(jobs))) - set(found))):
            found[place] = checked
            bar.update()
    ordered = [found[place] for place in range(len(jobs))]
    if problems := [line for checked in ordered for line in checked.problems]:
        raise CorpusError(problems)
    return Corpus(
        [checked.sequence for checked in ordered if checked.sequence is not None],
        [line for checked in ordered for line in checked.left_out],
    )


def _check_alone(
    check: Callable[..., Checked], jobs: Sequence[tuple[object, ...]], places: Sequence[int]
) -> Iterator[tuple[int, Checked]]:
    """Check, one by one, what was left when a process crashed; this finds the file that did it."""
    with TemporaryDirectory() as folder:
        trace = Path(folder) / "reading"
        pool = None
        for place in places:
            pool = pool or open_pool(1, trace_to, trace)
            try:
                yield place, pool.submit(check, *jobs[place]).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = None
                name = trace.read_text("utf-8") if trace.exists() else "a file of the corpus"
                yield place, Checked(None, [f"{name}: is damaged, reading it crashes a process"])
        if pool is not None:
            pool.shutdown()
