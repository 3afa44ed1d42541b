"""Whoever changes what the renderer makes raises its version: data sets name it."""

import json

import numpy as np
import recorded_renderer

from lgrnet.faces.generate import RENDERER_VERSION
from lgrnet.faces.motion.action_units import FACE_AUS, PRESENT_FROM

RECORDED = json.loads(recorded_renderer.PATH.read_text("utf-8"))


def test_the_renderer_makes_what_its_version_made(toy_studio):
    assert RECORDED["version"] == RENDERER_VERSION, (
        "record what it makes now: python tests/recorded_renderer.py"
    )
    others = recorded_renderer.differing(recorded_renderer.measure(toy_studio), RECORDED)
    assert not others, (
        f"{', '.join(others)}: the same recipe gives others than in version {RENDERER_VERSION}. If "
        "that is meant, raise RENDERER_VERSION in lgrnet/faces/generate.py and run python "
        "tests/recorded_renderer.py"
    )


def test_what_is_recorded_shows_every_au():
    intensity = np.array(RECORDED["intensity"])
    assert intensity.shape == (24, len(FACE_AUS))
    assert (intensity >= PRESENT_FROM).any(0).all()
    assert 0 < np.mean(RECORDED["unscorable"]) < 0.5
