"""BP4D, DISFA and JÂA-Net's lists as they lie on disc, drawn small: an independent writer.

It knows the published formats and nothing of lgrnet. Every picture is noise with a schematic face:
a patch around the nose has a brightness that tells the frame's number, so that a test sees which
picture became which face.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import h5py
import numpy as np
import scipy.io

WIDTH, HEIGHT = 150, 130
BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
BP4D_INTENSITY_AUS = (6, 10, 12, 14, 17)
DISFA_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
TASKS = [f"T{number}" for number in range(1, 9)]

# x1 y1 … x49 y49 of a schematic face in a square of 176 pixels.
FACE = np.array(
    """28 34 38 28 50 27 62 29 73 33 103 33 114 29 126 27 138 28 148 34 88 50 88 64 88 78 88 92
    71 100 79 102 88 103 97 102 105 100 42 54 50 49 60 49 68 55 60 58 50 58 108 55 116 49 126 49
    134 54 126 58 116 58 58 120 70 115 80 113 88 114 96 113 106 115 118 120 109 127 98 131 88 132
    78 131 67 127 78 119 88 119 98 119 98 124 88 124 78 124""".split(),
    dtype=float,
).reshape(49, 2)
NOSE = 12  # a point of the nose's bridge, the middle of the patch


class Drawn(NamedTuple):
    """A sequence as it was drawn.

    Attributes:
        frames: Numbers in the label files.
        presence: (N, n), 0, 1 or 9.
        intensity: (N, n), 0 to 5, NaN where there is none.
        landmarks: (N, 49, 2), 0-based pixels.
        codes: (N,) brightness of the patch.
    """

    frames: np.ndarray
    presence: np.ndarray
    intensity: np.ndarray
    landmarks: np.ndarray
    codes: np.ndarray


def draw(rng, count):
    """Draw ``count`` pictures (130, 150, 3), their landmarks (49, 2), and their codes."""
    pictures, landmarks, codes = [], [], []
    for number in range(count):
        angle, size = rng.uniform(-0.2, 0.2), rng.uniform(0.55, 0.62)
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (FACE - 88) @ turn.T + (WIDTH / 2, HEIGHT / 2) + rng.uniform(-5, 5, 2)
        picture = rng.integers(90, 150, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        code = 20 + 17 * (number % 13)
        x, y = np.round(points[NOSE]).astype(int)
        picture[y - 10 : y + 11, x - 10 : x + 11] = code
        pictures.append(picture)
        landmarks.append(points)
        codes.append(code)
    return pictures, np.array(landmarks), np.array(codes)


def seen_code(face, landmarks):
    """Read the code of an aligned face around its nose."""
    x, y = np.round(landmarks[NOSE]).astype(int)
    return float(face[y - 5 : y + 6, x - 5 : x + 6].mean())


# ---- BP4D


def write_bp4d(
    root, subjects=("F001", "M002"), frames=5, offset=0, padded=("M002",), lost=(), seed=0
):
    """Write BP4D; returns (subject, task) → :class:`Drawn`.

    Args:
        root: Its folder.
        subjects: Names.
        frames: Labelled frames of a sequence; two more pictures lie before and behind them.
        offset: Number of a picture minus the number of its label's frame.
        padded: Subjects whose pictures' names have leading zeros.
        lost: (subject, task, place among the labelled frames) that have empty landmarks.
        seed: Of everything.
    """
    drawn = {}
    for person, subject in enumerate(subjects):
        for place, task in enumerate(TASKS):
            rng = np.random.default_rng([seed, person, place])
            first = 13 + 100 * place
            pictures, landmarks, codes = draw(rng, frames + 4)
            folder = root / "Sequences" / subject / task
            folder.mkdir(parents=True)
            for step, picture in enumerate(pictures):
                number = first - 2 + step + offset
                name = f"{number:04d}.jpg" if subject in padded else f"{number}.jpg"
                cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            presence = rng.choice([0, 1, 9], (frames, 12), p=[0.5, 0.4, 0.1])
            levels = np.where(rng.random((frames, 12)) < 0.1, 9, rng.integers(0, 6, (frames, 12)))
            sequence = Drawn(
                np.arange(first, first + frames),
                presence,
                _known(levels, BP4D_AUS, BP4D_INTENSITY_AUS),
                landmarks[2:-2],
                codes[2:-2],
            )
            drawn[subject, task] = sequence
            write_occurrence(root, subject, task, sequence.frames, presence)
            for au in BP4D_INTENSITY_AUS:
                write_bp4d_intensity(
                    root, subject, task, au, sequence.frames, levels[:, BP4D_AUS.index(au)]
                )
            gone = {2 + index for who, what, index in lost if (who, what) == (subject, task)}
            sets = [None if n in gone else points + 1 for n, points in enumerate(landmarks)]
            (root / "2DFeatures").mkdir(exist_ok=True)
            write_fit_hdf5(root / "2DFeatures" / f"{subject}_{task}.mat", sets)
    return drawn


def _known(levels, aus, coded):
    """Make intensities of levels: NaN where the level is 9 or the AU was not coded."""
    coded = np.isin(aus, coded)
    return np.where(coded & (levels != 9), levels, np.nan)


def write_occurrence(root, subject, task, frames, presence):
    """Write AU_OCC's table; it has columns of AUs that nobody evaluates, too."""
    header = [0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 23, 24, 27, 28]
    lines = [",".join(map(str, header))]
    for frame, row in zip(frames, presence, strict=True):
        cells = [row[BP4D_AUS.index(au)] if au in BP4D_AUS else 9 for au in header[1:]]
        lines.append(",".join(map(str, [frame, *cells])))
    path = root / "AUCoding" / "AU_OCC" / f"{subject}_{task}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_bp4d_intensity(root, subject, task, au, frames, levels):
    """Write a file of AU_INT."""
    path = root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{subject}_{task}_AU{au:02d}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{a},{b}\n" for a, b in zip(frames, levels, strict=True)))


def write_fit_hdf5(path, sets):
    """Write MATLAB 7.3: fit(k).pred is (49, 2), or empty."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_dataset("fit/pred", (len(sets), 1), dtype=h5py.ref_dtype)
        for index, points in enumerate(sets):
            if points is None:
                entry = file.create_dataset(f"#refs#/{index}", data=np.array([0, 0], np.uint64))
                entry.attrs["MATLAB_empty"] = np.uint8(1)
            else:
                entry = file.create_dataset(f"#refs#/{index}", data=points.T)
            references[index, 0] = entry.ref
    write_matlab_head(path)


def write_array_hdf5(path, array):
    """Write MATLAB 7.3 with one array, whose axes lie in the file in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["points"] = array.transpose()
    write_matlab_head(path)


def write_matlab_head(path):
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, drawn for a test".ljust(116) + bytes(8) + b"\x00\x02IM")


def write_fit_matlab5(path, sets):
    """Write the same structure array in MATLAB's older format."""
    fit = np.zeros((1, len(sets)), dtype=[("pred", object)])
    for index, points in enumerate(sets):
        fit[0, index]["pred"] = np.zeros((0, 0)) if points is None else points
    scipy.io.savemat(path, {"fit": fit})


# ---- DISFA


def write_disfa(root, subjects=("SN001", "SN031"), frames=6, short=("SN031",), skip=(), seed=0):
    """Write DISFA; returns subject → :class:`Drawn`.

    Args:
        root: Its folder.
        subjects: Names.
        frames: Frames of each video.
        short: Subjects whose landmark files are named l00001_lm.mat and on.
        skip: (subject, frame) whose landmark file is not written.
        seed: Of everything.
    """
    drawn = {}
    for person, subject in enumerate(subjects):
        rng = np.random.default_rng([seed, person])
        pictures, landmarks, codes = draw(rng, frames)
        write_video(root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi", pictures)
        levels = rng.integers(0, 6, (frames, 12))
        for column, au in enumerate(DISFA_AUS):
            write_disfa_labels(root, subject, au, levels[:, column])
        folder = root / "Landmark_Points" / subject / "tmp_frame_lm"
        folder.mkdir(parents=True)
        for index, points in enumerate(landmarks):
            name = f"l0{index + 1:04d}" if subject in short else f"{subject}_{index:04d}"
            if (subject, index + 1) not in skip:
                jaw = np.column_stack([np.linspace(5, 60, 17), np.full(17, 100.0)])
                scipy.io.savemat(folder / f"{name}_lm.mat", {"pts": np.vstack([jaw, points]) + 1})
        presence = (levels >= 2).astype(int)
        drawn[subject] = Drawn(
            np.arange(1, frames + 1), presence, levels.astype(float), landmarks, codes
        )
    return drawn


def write_video(path, pictures):
    """Write an AVI of Motion JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = pictures[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, size)
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()


def write_disfa_labels(root, subject, au, levels):
    """Write the intensity file of an AU."""
    path = root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{frame},{level}\n" for frame, level in enumerate(levels, 1)))


# ---- JÂA-Net's lists


def write_jaanet(lists: Path, images: Path, parts, aus=12, corpus="BP4D", seed=0):
    """Write lists and aligned pictures; returns path → (labels, landmarks, code).

    Args:
        lists: Folder of the lists.
        images: Folder of the pictures.
        parts: Name of a part → paths of its pictures.
        aus: How many labels a face has.
        corpus: What the names of the lists begin with.
        seed: Of everything.
    """
    faces = {}
    lists.mkdir(parents=True)
    for paths in parts.values():
        for path in paths:
            if path not in faces:
                faces[path] = _jaanet_face(images / path, len(faces), aus, seed)
    for part, paths in parts.items():
        stem = f"{corpus}_{part}"
        found = [faces[path] for path in paths]
        lines = {
            "path": list(paths),
            "AUoccur": [" ".join(map(str, labels)) for labels, _, _ in found],
            "land": ["\t".join(f"{v:.4f}" for v in points.ravel()) for _, points, _ in found],
            "biocular": [f"{squared_distance(points):.4f}" for _, points, _ in found],
        }
        for name, rows in lines.items():
            (lists / f"{stem}_{name}.txt").write_text("\n".join(rows) + "\n")
    return faces


def _jaanet_face(path, number, aus, seed):
    rng = np.random.default_rng([seed, number])
    points = np.round(FACE + 12 + rng.normal(0, 1, (49, 2)), 4)
    picture = rng.integers(90, 150, (200, 200, 3), dtype=np.uint8)
    code = 20 + 17 * (number % 13)
    x, y = np.round(points[NOSE]).astype(int)
    picture[y - 10 : y + 11, x - 10 : x + 11] = code
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return rng.choice([0, 1, 9], aus, p=[0.5, 0.4, 0.1]).tolist(), points, code


def squared_distance(points):
    """Return the squared distance of the two means of six eye points."""
    left, right = points[19:25].mean(0), points[25:31].mean(0)
    return float(((left - right) ** 2).sum())


def ramp(axis):
    """Draw a grey picture whose brightness tells x (axis 0) or y (axis 1)."""
    place = np.mgrid[:HEIGHT, :WIDTH][1 - axis]
    return np.repeat((20 + 1.5 * place).round().astype(np.uint8)[..., None], 3, axis=2)


def ramp_error(face, aligned, raw, axis):
    """Measure how far a ramp's pixels at the aligned landmarks are from where these came from.

    Args:
        face: (200, 200, 3), an aligned ramp.
        aligned: (49, 2), landmarks in it.
        raw: (49, 2), the same in the ramp, 0-based pixels.
        axis: Of the ramp.

    Returns:
        Mean difference, pixels of the ramp.
    """
    at = np.float32(aligned)  # green: Motion JPEG darkens the other two by 2
    seen = cv2.remap(face, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR)[0, :, 1]
    return float(((seen - 20) / 1.5 - raw[:, axis]).mean())
