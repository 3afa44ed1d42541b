from dataclasses import replace

import numpy as np
import pytest
from test_faces_canvas import Recorder

from lgrnet.faces.drawing.camera import Pose
from lgrnet.faces.motion.expression import Expression
from lgrnet.faces.person.glasses import sample_glasses
from lgrnet.faces.person.identity import make_identity
from lgrnet.faces.render import aligned_placement, blank, render
from lgrnet.faces.scene.light import STUDIO


def look(studio, overlays, pose=None, light=STUDIO):
    person = replace(make_identity(studio, 4), overlays=())
    return render(
        *(studio, person, Expression(), pose or Pose(), light, blank(brightness=0.002)),
        aligned_placement(),
        overlays=overlays,
    )


def dark_glasses(**changes):
    given = {"through": np.full(3, 0.02), "mirror": 0.0, "frame": np.full(3, 0.01)}
    return replace(sample_glasses(np.random.default_rng(3)), **{**given, **changes})


def covered(studio, glasses, pose=None):
    bare, worn = look(studio, [], pose), look(studio, [glasses], pose)
    return bare, np.abs(worn.linear - bare.linear).max(2) > 0.05


def test_dark_lenses_hide_the_eyes_and_leave_the_mouth(any_studio):
    picture, changed = covered(any_studio, dark_glasses())
    for eye in (slice(19, 25), slice(25, 31)):
        x, y = picture.landmarks[eye].mean(0).round().astype(int)
        assert changed[y - 2 : y + 3, x - 2 : x + 3].all()
    x, y = picture.landmarks[31:].mean(0).round().astype(int)
    assert not changed[y - 15 : y + 15, x - 15 : x + 15].any()


def test_clear_lenses_leave_the_eyes_to_be_seen(any_studio):
    clear = dark_glasses(through=np.full(3, 0.95), rim=0.08)
    bare, worn = look(any_studio, []), look(any_studio, [clear])
    x, y = bare.landmarks[19:25].mean(0).round().astype(int)
    part = np.s_[y - 4 : y + 5, x - 4 : x + 5]
    np.testing.assert_allclose(worn.linear[part], 0.95 * bare.linear[part], atol=0.03)


def test_lenses_have_their_size(any_studio):
    glasses = dark_glasses(rim=0.07)
    recorder = Recorder(lambda canvas: canvas.density / 1.5)  # pixels of the picture per cm
    look(any_studio, [recorder])
    _, changed = covered(any_studio, glasses)
    row = np.nonzero(changed[int(np.nonzero(changed)[0].mean())])[0]
    width = 2 * np.ptp(glasses.outline[:, 0]) + glasses.gap
    # They are nearer to the camera than the pivot, and temples stand out beside them.
    assert 1.0 < np.ptp(row) / recorder.result / width < 1.45


def test_the_far_temple_is_hidden_by_the_face(any_studio):
    near, far = (
        covered(any_studio, dark_glasses(through=np.ones(3)), Pose(yaw=yaw))[1]
        for yaw in (0.7, -0.7)
    )
    # Turned either way the glasses look alike, mirrored: one temple shows, the other does not.
    assert near.sum() == pytest.approx(far.sum(), rel=0.25)
    half = near.shape[1] // 2
    assert (near[:, :half].sum() > near[:, half:].sum()) != (
        far[:, :half].sum() > far[:, half:].sum()
    )


def test_glasses_are_dark_in_the_dark(any_studio):
    pale = dark_glasses(frame=np.full(3, 0.85), rim=0.4)
    dim = STUDIO._replace(key=STUDIO.key / 50, ambient=STUDIO.ambient / 50, fill=STUDIO.fill / 50)
    bright = look(any_studio, [pale]).linear.max()
    bare, worn = look(any_studio, [], light=dim).linear, look(any_studio, [pale], light=dim).linear
    changed = np.abs(worn - bare).max(2) > 1e-3
    assert changed.any()
    assert worn[changed].max() < bright / 10


def test_a_seed_fixes_the_glasses():
    one, same, other = (sample_glasses(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.outline, same.outline)
    assert one.rim == same.rim != other.rim
    for seed in range(50):
        width, height = np.ptp(sample_glasses(np.random.default_rng(seed)).outline, axis=0)
        assert 4.4 < width < 6.3
        assert 2.4 < height < 5.7
