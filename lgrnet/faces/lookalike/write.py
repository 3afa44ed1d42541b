"""Who appears in a look-alike corpus, and the processes that render it."""

import json
from collections.abc import Sequence
from concurrent.futures import as_completed
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lgrnet.alone import alone_in
from lgrnet.corpora import folds
from lgrnet.faces.generate import RENDERER_VERSION
from lgrnet.faces.head.rig import load_rig, rig_path
from lgrnet.faces.lookalike import bp4d, disfa
from lgrnet.faces.motion.action_units import FACE_AUS
from lgrnet.faces.performance import perform
from lgrnet.faces.person.identity import Identity, Studio, make_identity, open_studio
from lgrnet.workers import open_pool
from runtime.errors import InputError
from runtime.files.atomic import write_json
from runtime.files.digest import file_sha256

_PEOPLE = {"bp4d": 80_000_000, "disfa": 81_000_000}  # they are in no split of any other data set
FRAMES = {"bp4d": 12, "disfa": 100}
"""Corpus that can be rendered → labelled frames of a sequence if nothing else is asked for."""

RECIPE_NAME = "lookalike.json"
"""What a look-alike is made from, in its folder."""

_studio: Studio  # of a worker process


def write_lookalike(
    corpus: str,
    out: Path,
    frames: int | None = None,
    subjects: Sequence[str] | None = None,
    rig: Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Render a corpus, or what is missing of it.

    Args:
        corpus: ``"bp4d"`` or ``"disfa"``.
        out: Its folder.
        frames: Labelled frames of a sequence; None for 12 in BP4D, 100 in DISFA.
        subjects: Names; None for all.
        rig: The face rig's file; None reads the environment variable.
        workers: Processes; None for one a core.
        seed: Other seeds give other people.
        progress: Whether to show a progress bar.

    Raises:
        RigError: There is no face rig.
        ValueError: No such corpus or subject, or no frames.
        InputError: The folder was made from something else, or another run is writing into it.
        OpenCVError: A video cannot be written.
    """
    names = tuple(subjects or folds.subjects(corpus))
    for name in names:
        folds.subject_number(corpus, name)
    count = FRAMES[corpus] if frames is None else frames
    if count < 1:
        raise ValueError(f"frames must be at least 1, got {count}")
    rig_file = rig_path(rig)
    load_rig(rig_file)  # a broken rig should fail here, not in a worker
    recipe = {
        "corpus": corpus, "frames": count, "seed": seed, "renderer": RENDERER_VERSION,
        "rig_sha256": file_sha256(rig_file),
    }  # fmt: skip
    with alone_in(out):
        _claim(out, recipe)
        _render_missing(corpus, out, names, count, seed, rig_file, workers, progress)


def _claim(out: Path, recipe: dict[str, object]) -> None:
    """Note what a folder is made from, or check that it is the same; older folders do not say."""
    path = out / RECIPE_NAME
    if not path.exists():
        write_json(path, recipe)
        return
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete that folder") from error
    if found != recipe:
        raise InputError(
            f"{out} holds a look-alike made from another recipe ({found}): choose another folder "
            "or delete that one"
        )


def _render_missing(
    corpus: str, out: Path, names: Sequence[str], count: int, seed: int, rig_file: Path,
    workers: int | None, progress: bool,
) -> None:  # fmt: skip
    """Render the sequences that are not there."""
    if corpus == "bp4d":
        jobs = [(name, task) for name in names for task in bp4d.TASKS]
        todo = [job for job in jobs if not bp4d.is_written(out, *job)]
    else:
        jobs = [(name, "") for name in names]
        todo = [job for job in jobs if not disfa.is_written(out, job[0])]
    done = len(jobs) - len(todo)
    if not todo:
        return
    with (
        open_pool(workers, _start_worker, rig_file) as pool,
        tqdm(total=len(jobs), initial=done, unit="sequence", disable=not progress) as bar,
    ):
        running = [pool.submit(_render, corpus, out, *job, count, seed) for job in todo]
        for job in as_completed(running):
            job.result()
            bar.update()


def _start_worker(rig_file: Path) -> None:
    global _studio
    _studio = open_studio(load_rig(rig_file))


@lru_cache(maxsize=1)
def _person(number: int) -> Identity:
    return make_identity(_studio, number)


def _render(corpus: str, out: Path, subject: str, task: str, frames: int, seed: int) -> None:
    number = _PEOPLE[corpus] + 1000 * seed + folds.subject_number(corpus, subject)
    person = _person(number)
    tendency = np.random.default_rng([seed, number]).standard_normal(len(FACE_AUS))
    rng = np.random.default_rng([seed, number, int(task[1:] or 0)])
    layout = bp4d if corpus == "bp4d" else disfa
    shown = perform(_studio, person, rng, tendency, frames, layout.HEIGHT, layout.WIDTH)
    if corpus == "bp4d":
        bp4d.write_sequence(out, subject, task, list(shown), rng)
    else:
        disfa.write_subject(out, subject, shown)
