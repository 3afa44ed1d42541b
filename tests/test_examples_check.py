"""The numbers by which docs/embedding.md lets other programs be checked."""

import re
from pathlib import Path

import numpy as np

from runtime import Detector, open_source
from runtime.align import alignment_matrix, anchor_matrix, crop_matrix
from runtime.landmarks import NOSE_TIP
from runtime.latency import Stopwatch
from runtime.packaged import DEMO_CLIP

DOCUMENT = Path(__file__).parents[1] / "docs" / "embedding.md"


def numbers(text):
    return [float(number.replace("−", "-")) for number in re.findall(r"−?\d+\.\d+", text)]


def test_a_face_looked_at_twice_is_as_documented():
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.split("## To check your program")[1].split("\n## ")[0]
    points = re.findall(r"\((\d+),\s(\d+)\)", section)
    rows = [line.split("|")[2:4] for line in section.splitlines() if re.match(r"\| [mlpi]", line)]
    frame = next(shot.frame for shot in open_source(DEMO_CLIP) if shot.index == 30)  # -ss 1
    matrix = anchor_matrix(np.array(points, float))
    with Detector("edge") as detector:
        units = [detector.aus.index(name) for name in ("AU06", "AU07", "AU12", "AU25")]
        for run in (0, 1):
            first, second, tip, probability, intensity = (numbers(row[run]) for row in rows)
            crop = crop_matrix(matrix)
            # The second is where the network, whose kernels differ between processors, puts it.
            np.testing.assert_allclose(crop[:, :2], [first[:2], second[:2]], atol=5e-4)
            np.testing.assert_allclose(crop[:, 2], [first[2], second[2]], atol=(0.01, 0.1)[run])
            (look,) = detector._pipeline.run(frame, [matrix], Stopwatch())
            np.testing.assert_allclose(look.landmarks[NOSE_TIP], tip, atol=0.05)
            np.testing.assert_allclose(look.probability[units], probability, atol=0.02)
            matrix = alignment_matrix(look.landmarks)
        np.testing.assert_allclose(look.intensity[units], intensity, atol=0.1)
