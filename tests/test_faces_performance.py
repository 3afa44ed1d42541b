"""Sequences of the look-alike corpora: labels against what was drawn."""

import numpy as np
import pytest

from lgrnet.faces import performance
from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM
from lgrnet.faces.motion.labels import LIPS_PART_FROM
from lgrnet.faces.person.identity import make_identity

INNER_LIPS = ((48, 43), (47, 44), (46, 45))  # lower and upper point, of the 49


def test_labels_are_of_what_was_drawn(toy_studio, monkeypatch):
    drawn = []
    render = performance.render

    def watch(studio, person, expression, *rest):
        picture = render(studio, person, expression, *rest)
        drawn.append((expression, picture))
        return picture

    monkeypatch.setattr(performance, "render", watch)
    person, rng = make_identity(toy_studio, 3), np.random.default_rng(2)
    tendency = np.full(len(FACE_AUS), 0.5)
    frames = list(performance.perform(toy_studio, person, rng, tendency, 9, 90, 120))
    assert len(frames) == len(drawn) == 9
    seen = set()
    for frame, (expression, picture) in zip(frames, drawn, strict=True):
        assert frame.picture.shape == (90, 120, 3)
        np.testing.assert_array_equal(frame.landmarks, picture.landmarks)
        points = picture.landmarks
        eyes = np.linalg.norm(points[19:25].mean(0) - points[25:31].mean(0))
        gap = np.mean([points[low, 1] - points[up, 1] for low, up in INNER_LIPS])
        for place, au in enumerate(FACE_AUS):
            strength = expression.intensity.get(au, 0.0)
            assert frame.intensity[place] == pytest.approx(strength)
            there = strength >= PRESENT_FROM or (au == 25 and gap >= LIPS_PART_FROM * eyes)
            assert frame.presence[place] == there
            seen.add((au, there))
    assert sum(there for _, there in seen) > 5
    assert sum(not there for _, there in seen) > 5
