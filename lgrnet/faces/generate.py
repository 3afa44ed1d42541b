"""Render a data set of AU-labelled faces: ``python -m lgrnet.faces.generate --out data/faces``.

Train, validation and test people are different people. Every picture depends on the seed and its
place in the data set alone, so the result is the same however many processes make it, and a run
that was interrupted goes on where it stopped.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lgrnet.alone import alone_in
from lgrnet.data.shards import (
    MISSING,
    Labels,
    shard_is_complete,
    shard_name,
    write_index,
    write_shard,
)
from lgrnet.faces.conditions import CONDITIONS, measure_conditions
from lgrnet.faces.drawing.camera import sample_pose
from lgrnet.faces.head.rig import RigError, load_rig, rig_path
from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.cooccurrence import sample_intensities
from lgrnet.faces.motion.expression import sample_expression
from lgrnet.faces.motion.labels import au_presence, unscorable
from lgrnet.faces.motion.restraint import restrain
from lgrnet.faces.person.identity import Studio, make_identity, open_studio
from lgrnet.faces.render import aligned_placement, found_placement, photograph, render
from lgrnet.faces.scene.background import sample_background
from lgrnet.faces.scene.light import sample_lighting
from lgrnet.faces.scene.occluders import sample_occluders
from lgrnet.workers import KILLED, open_pool
from runtime.align import ALIGNED_SIZE
from runtime.console.help import DefaultsHelp
from runtime.console.option_types import count, not_negative, positive
from runtime.console.progress import add_progress
from runtime.console.stoppable import GOES_ON, stoppable
from runtime.files.digest import file_sha256

logger = logging.getLogger(__name__)

RENDERER_VERSION = 12
"""Raised when the same recipe gives other pictures or labels."""

_OCCLUDED = 0.15  # of the pictures, by a hand or a thing
_YOUNG = 0.25  # of the age of the oldest
_SPLIT_SEED = {"train": 1, "val": 2, "test": 3, "control": 4}
_PEOPLE_PER_SPLIT = 1_000_000  # room for each split's people in the numbers of all people


@dataclass(frozen=True)
class Recipe:
    """What a data set is made from.

    Attributes:
        seed: Seed of the whole set.
        train: People in the training split.
        val: People in the validation split.
        test: People in the test split.
        control: People in the control split, whose AUs are independent of each other: there it is
            of no use to know which AUs go together.
        images: Pictures of each person.
        people_per_shard: People in a shard.
        decorrelated: Share of training people whose AUs co-occur by chance (a quarter of the usual
            correlation), so that a network learns to look and not to guess. Validation and test
            people all have the usual co-occurrence, control people none.
        found: Share of training pictures that are placed as a face finder's box would place them;
            all others, and those of validation and test people, as the aligner does.
        resting: How far the resting faces of half of the training people spread, every second
            shard; those of all others spread by 1, as real ones do. Wider ones teach that brows
            which are high or a mouth that hangs need not be an AU: without them a network is sure
            of too much on the real faces that are unusual.
        quiet: Share of training pictures in which a face does little or nothing.
        traces: Share of the AUs that are off in training pictures which move nevertheless, less
            than what is labelled present; see :func:`lgrnet.faces.motion.restraint.restrain`.
        young: Share of training people whose skin is younger than that of three in four of all
            others, of every age alike: people before cameras are mostly young, and what muscles do
            shows in their skin less than in old skin.
    """

    seed: int = 0
    train: int = 1000
    val: int = 75
    test: int = 834
    control: int = 125
    images: int = 24
    people_per_shard: int = 4
    decorrelated: float = 0.3
    found: float = 0.25
    resting: float = 1.8
    quiet: float = 0.4
    traces: float = 0.25
    young: float = 0.0

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("images", "people_per_shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in _SPLIT_SEED:
            if not 0 <= getattr(self, name) <= _PEOPLE_PER_SPLIT:
                raise ValueError(
                    f"{name} must lie in [0, {_PEOPLE_PER_SPLIT}], got {getattr(self, name)}"
                )
        if not any(getattr(self, name) for name in _SPLIT_SEED):
            raise ValueError(f"{', '.join(_SPLIT_SEED)}: at least one split needs a person")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        for name in ("decorrelated", "found", "quiet", "traces", "young"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.resting <= 3:
            raise ValueError(f"resting must lie in [0, 3], got {self.resting}")

    def people(self, split: str) -> range:
        """Return the numbers of a split's people; no number is in two splits."""
        start = (_SPLIT_SEED[split] + 10 * self.seed) * _PEOPLE_PER_SPLIT
        return range(start, start + getattr(self, split))

    def spread(self, split: str, number: int) -> float:
        """Return how far a person's resting face may lie from the mean one."""
        shard = (number - self.people(split).start) // self.people_per_shard
        return self.resting if split == "train" and shard % 2 else 1.0

    def oldest(self, split: str, number: int) -> float:
        """Return how old a person's skin may be, see :func:`make_identity`."""
        own = np.random.default_rng([80, self.seed, number])
        return _YOUNG if split == "train" and own.random() < self.young else 1.0

    def shards(self, split: str) -> list[range]:
        """Return the people of each shard of a split."""
        people = self.people(split)
        step = self.people_per_shard
        return [people[start : start + step] for start in range(0, len(people), step)]


class Sample(NamedTuple):
    """A picture and what is true of it.

    Attributes:
        face: (200, 200, 3) uint8, BGR.
        intensity: (n,) float32 in [0, 1], AUs in ascending number.
        landmarks: (49, 2) float32, pixels of the picture.
        unscorable: (n,) bool, see :func:`lgrnet.faces.motion.labels.unscorable`.
        conditions: See :func:`lgrnet.faces.conditions.measure_conditions`.
    """

    face: np.ndarray
    intensity: np.ndarray
    landmarks: np.ndarray
    unscorable: np.ndarray
    conditions: dict[str, float]


def render_person(studio: Studio, number: int, recipe: Recipe, split: str) -> Iterator[Sample]:
    """Render all pictures of one person.

    Args:
        studio: The rig and what is derived from it.
        number: The person.
        recipe: Of the data set.
        split: Which the person is in.

    Yields:
        The pictures.
    """
    rng = np.random.default_rng([recipe.seed, number])
    person = make_identity(
        studio, number, recipe.spread(split, number), recipe.oldest(split, number)
    )
    chance = split == "train" and rng.random() < recipe.decorrelated
    strength = 0.0 if split == "control" else 0.25 if chance else 1.0
    intensities = sample_intensities(
        rng, recipe.images, strength, rng.standard_normal(len(FACE_AUS))
    )
    if split == "train":
        # A generator of its own: what else is drawn of a person does not depend on these shares.
        own = np.random.default_rng([79, recipe.seed, number])
        intensities = restrain(own, intensities, recipe.quiet, recipe.traces)
    found = recipe.found if split == "train" else 0.0
    for row in intensities:
        active = {au: float(v) for au, v in zip(FACE_AUS, row, strict=True) if v > 0}
        expression = sample_expression(rng, active)
        picture = render(
            studio,
            person,
            expression,
            pose := sample_pose(rng),
            sample_lighting(rng),
            sample_background(rng, ALIGNED_SIZE, ALIGNED_SIZE),
            found_placement(rng) if rng.random() < found else aligned_placement(rng, noise=0.015),
            overlays=sample_occluders(
                rng, _OCCLUDED, person.complexion.skin**2.2, person.complexion.hair**2.2
            ),
        )
        photo = photograph(rng, picture)
        yield Sample(
            face=photo,
            intensity=np.array([expression.intensity.get(au, 0.0) for au in FACE_AUS], np.float32),
            landmarks=picture.landmarks.astype(np.float32),
            unscorable=unscorable(picture.hidden, picture.landmarks),
            conditions=measure_conditions(picture, photo, pose, person.complexion.skin),
        )


_studio: Studio  # of a worker process


def _start_worker(rig_file: Path) -> None:
    global _studio
    _studio = open_studio(load_rig(rig_file))


def _make_shard(root: Path, split: str, number: int, recipe: Recipe) -> int:
    samples: list[Sample] = []
    subjects: list[int] = []
    for person in recipe.shards(split)[number]:
        samples.extend(render_person(_studio, person, recipe, split))
        subjects.extend([person] * recipe.images)
    faces = np.stack([sample.face for sample in samples])
    intensity = np.stack([sample.intensity for sample in samples])
    points = np.stack([sample.landmarks for sample in samples])
    unknown = np.stack([sample.unscorable for sample in samples])
    presence = au_presence(intensity, points)
    # What is seen to be present, whichever muscle does it, is there at least in traces.
    intensity = np.where(presence == 1, np.maximum(intensity, PRESENT_FROM), intensity)
    labels = Labels(
        presence=np.where(unknown, MISSING, presence).astype(np.uint8),
        intensity=np.where(unknown, np.nan, intensity).astype(np.float32),
        landmarks=points,
        subject=np.array(subjects, np.int64),
        conditions={
            name: np.array([sample.conditions[name] for sample in samples], np.float32)
            for name in CONDITIONS
        },
    )
    write_shard(root, shard_name(split, number), faces, labels)
    return len(faces)


def generate(
    out: Path, recipe: Recipe, rig: Path | None = None, workers: int | None = None,
    progress: bool = True,
) -> None:  # fmt: skip
    """Render a data set, or what is missing of it.

    Args:
        out: Folder of the data set.
        recipe: What to make.
        rig: The face rig's file; None reads the environment variable.
        workers: Processes; None for one a core.
        progress: Whether to show a progress bar.

    Raises:
        RigError: There is no face rig.
        DatasetError: The folder holds another data set.
        InputError: Another run is writing into it.
    """
    rig_file = rig_path(rig)
    load_rig(rig_file)  # a broken rig should fail here, not in a worker
    splits = {split: len(recipe.shards(split)) for split in _SPLIT_SEED}
    origin = {
        "renderer": RENDERER_VERSION,
        "rig_sha256": file_sha256(rig_file),
        # Data sets from before there was a choice do not name it, and are the same.
        **{name: value for name, value in asdict(recipe).items() if name != "young" or value},
    }
    with alone_in(out):
        write_index(out, FACE_AUS, splits, origin)
        _render_missing(out, recipe, splits, rig_file, workers, progress)


def _render_missing(
    out: Path, recipe: Recipe, splits: dict[str, int], rig_file: Path, workers: int | None,
    progress: bool,
) -> None:  # fmt: skip
    """Render the shards that are not there; `splits` says how many there are of each split."""
    plan = [(split, number) for split, count in splits.items() for number in range(count)]
    todo = [job for job in plan if not shard_is_complete(out, shard_name(*job))]
    total = sum(len(recipe.people(split)) for split in splits) * recipe.images
    left = sum(len(recipe.shards(split)[number]) for split, number in todo) * recipe.images
    logger.info("%s: %d of %d pictures to render", out, left, total)
    if not todo:
        return
    pool = open_pool(workers, _start_worker, rig_file)
    with pool, tqdm(total=total, initial=total - left, unit="img", disable=not progress) as bar:
        jobs = [pool.submit(_make_shard, out, *job, recipe) for job in todo]
        for job in as_completed(jobs):
            bar.update(job.result())


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    default = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m lgrnet.faces.generate",
        description="Render AU-labelled synthetic faces into shards. Goes on where it stopped.",
        formatter_class=DefaultsHelp,
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--rig", type=Path, help="face rig; else $LGRNET_FACE_RIG")
    parser.add_argument("--seed", type=count, default=default.seed, help="others give other people")
    for split in _SPLIT_SEED:
        parser.add_argument(
            f"--{split}", type=count, default=getattr(default, split), help=f"people in {split}"
        )
    parser.add_argument(
        "--images", type=positive, default=default.images, help="pictures per person"
    )
    for name, what in (
        ("decorrelated", "share of training people whose AUs go together less than usual"),
        ("resting", "how far the resting faces of half of the training people spread, of others 1"),
        ("quiet", "share of training pictures of a face that does little or nothing"),
        ("traces", "share of absent AUs that move a little in training pictures"),
        ("young", "share of training people with young skin"),
    ):
        parser.add_argument(
            f"--{name}", type=not_negative, default=getattr(default, name), help=what
        )
    parser.add_argument("--workers", type=positive, help="processes; one a core if not given")
    add_progress(parser)
    return parser.parse_args(argv)


@stoppable(GOES_ON)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        recipe = Recipe(
            args.seed, args.train, args.val, args.test, args.control, args.images,
            decorrelated=args.decorrelated, resting=args.resting,
            quiet=args.quiet, traces=args.traces, young=args.young,
        )  # fmt: skip
        generate(args.out, recipe, args.rig, args.workers, args.progress)
    except (RigError, OSError, ValueError) as error:
        logger.error("%s", error)
        return 2
    except BrokenProcessPool:
        logger.error(KILLED)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
