"""The first pass over a corpus goes on when a damaged file crashes a process."""

import os
import signal

import pytest

from lgrnet.corpora.checking import check_all
from lgrnet.corpora.landmark_files import read_point_sets
from lgrnet.corpora.problems import CorpusError, Problems
from lgrnet.corpora.sequence import Checked


def crash_or_pass(folder, place):
    """Check nothing; job 1 crashes its process, as SciPy does on some damaged files."""
    read_point_sets(folder / f"{place}.txt", 49, Problems())
    if place == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return Checked(None, [f"{place} was checked"])


def test_the_file_is_named_with_all_other_problems(tmp_path):
    jobs = [(tmp_path, place) for place in range(4)]
    with pytest.raises(CorpusError, match=r"^4 problems, nothing was prepared:") as caught:
        check_all(crash_or_pass, jobs, workers=2, progress=False)
    assert caught.value.problems == (
        *("0 was checked", f"{tmp_path / '1.txt'}: is damaged, reading it crashes a process"),
        *("2 was checked", "3 was checked"),
    )
