"""The comparison of face finders: what counts as found, and what is refused."""

import cv2
import numpy as np
import pytest

from benchmarks import finders
from benchmarks.finders import judge_clips, judge_crowds, main, match, pictures_in
from lgrnet.faces.crowd import TrueHead
from runtime.align import alignment_matrix
from runtime.boxes import alignment_box, face_box, overlap
from runtime.errors import InputError
from runtime.finders import align_box
from runtime.landmarks import COUNT


def head(x, y, size=40.0, visible=1.0, number=1):
    """A face whose landmarks are those of an ellipse, but for the five that alignments use."""
    turn = np.linspace(0, 2 * np.pi, COUNT, endpoint=False)
    points = np.stack([np.cos(turn), 1.2 * np.sin(turn)], 1) * size / 2
    points[19:25], points[25:31] = (-size / 4, -size / 5), (size / 4, -size / 5)
    points[13], points[31], points[37] = (0, 0), (-size / 5, size / 4), (size / 5, size / 4)
    return TrueHead(number, visible, points + np.array([x, y]))


def found_at(*heads):
    return [alignment_matrix(each.landmarks) for each in heads]


def test_the_two_boxes_of_a_face_are_one_face():
    face = head(200, 100)
    box = alignment_box(alignment_matrix(face.landmarks))
    assert overlap(box, face_box(face.landmarks)) >= finders.SAME


@pytest.mark.parametrize(
    ("found", "heads", "counts"),
    [
        ([], [], (0, 0, 0)),
        ([head(50, 50)], [], (0, 0, 1)),
        ([], [head(50, 50)], (1, 0, 0)),
        ([head(50, 50)], [head(52, 50)], (1, 1, 0)),
        ([head(50, 50), head(51, 50)], [head(50, 50)], (1, 1, 1)),  # one head is found once
        ([head(50, 50), head(200, 50)], [head(50, 50), head(200, 50)], (2, 2, 0)),
        # Who is hardly to be seen need not be found, and may be.
        ([head(50, 50)], [head(50, 50, visible=0.3)], (0, 0, 0)),
        ([], [head(50, 50, visible=0.3)], (0, 0, 0)),
        ([head(50, 50)], [head(50, 50, visible=0.3), head(50, 51, visible=0.9)], (1, 1, 0)),
        ([head(50, 50, 10)], [head(50, 50, 80)], (1, 0, 1)),
    ],
)
def test_what_counts_as_found(found, heads, counts):
    assert match(found_at(*found), heads) == counts


class Says:
    """A finder that says as many faces as the frame's first number."""

    name = "says"

    def find(self, frame):
        class Face:
            alignment = alignment_matrix(head(50, 50).landmarks)

        return [Face()] * int(frame[0, 0, 0])


def test_frames_are_counted():
    frames = [np.full((4, 4, 3), number, np.uint8) for number in (0, 1, 1, 2, 3)]
    (said,) = judge_clips({"a": Says()}, frames).values()
    assert (said["frames"], said["frames_found"], said["frames_several"]) == (5, 4, 2)


class Squares:
    """A finder of bright squares with a least side."""

    def __init__(self, least):
        self.name, self.least = "squares", least

    def find(self, frame):
        rows, columns = np.nonzero((frame > 128).all(2))
        if len(rows) < max(1, self.least**2):
            return []

        class Face:
            box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            alignment = align_box(box, 1.25, 0)

        return [Face()]


def test_small_faces_are_looked_for_where_the_large_one_was():
    frame = np.zeros((300, 500, 3), np.uint8)
    frame[40:140, 350:450] = 255
    frames = [frame, np.zeros_like(frame)]
    said = judge_clips({"any": Squares(0), "large": Squares(20)}, frames)
    for size in finders.SIZES:
        assert said["any"][f"frames_at_{size}"] == 1
        assert said["large"][f"frames_at_{size}"] == (size >= 20)


def test_crowds_are_summed_up_for_each_finder():
    frames = [(np.full((4, 4, 3), n, np.uint8), [head(50, 50), head(300, 50)]) for n in (0, 1, 3)]
    said = judge_crowds({"a": Says(), "b": Says()}, frames)
    for row in said.values():
        assert (row["heads"], row["heads_found"], row["wrong"]) == (6, 2, 2)
        assert row["search_ms"] >= 0


def test_every_fifteenth_frame_is_read(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(40):
        writer.write(np.full((48, 64, 3), 5 * number, np.uint8))
    writer.release()
    read = list(finders.frames_of(path))
    assert [number for number, _ in read] == [0, 15, 30]
    assert [round(float(frame.mean()) / 5) for _, frame in read] == [0, 15, 30]


def test_folders_without_what_is_needed(tmp_path, capsys):
    with pytest.raises(InputError, match="holds no pictures"):
        pictures_in(tmp_path)
    with pytest.raises(InputError, match=r"holds no clip: python -m lgrnet\.faces\.crowd"):
        list(finders.crowd_frames([tmp_path]))
    with pytest.raises(InputError, match="holds no clip of"):
        list(finders.real_frames(tmp_path))
    assert main([str(tmp_path), "--pictures", str(tmp_path)]) == 2
    assert "holds no picture of" in capsys.readouterr().err
    assert main([str(tmp_path), "--pictures", str(tmp_path), "--yunet", str(tmp_path / "y")]) == 2
    assert "does not exist" in capsys.readouterr().err
