import cv2
import numpy as np

from lgrnet.faces import gallery
from lgrnet.faces.motion.action_units import FACE_AUS


def test_the_gallery_shows_every_au_at_the_same_place(toy_studio):
    picture = gallery.au_gallery(toy_studio)
    height, width = 256 + 30, 256
    count = len(FACE_AUS) + 1
    rows = -(-count // 4)
    assert picture.shape == (rows * height, 4 * width, 3)
    assert picture.dtype == np.uint8
    tiles = picture.reshape(rows, height, 4, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    assert (tiles[count:] == 255).all()
    tiles = tiles[:count]
    faces, captions = tiles[:, :256].astype(int), tiles[:, 256:]
    assert all(np.abs(face - faces[0]).max() > 20 for face in faces[1:])
    for caption in captions:
        assert (caption == 255).mean() > 0.8
        assert caption.min() < 100  # there is text
        assert caption[:, [0, -1]].min() > 200  # that fits
    # Above the brows nothing moves when the mouth does: the camera keeps its place.
    mouth = 1 + FACE_AUS.index(15)
    assert np.abs(faces[mouth] - faces[0])[:60].max() < 8


def test_a_last_row_that_is_not_full_is_white_at_its_end():
    tiles = [np.full((2, 3, 3), shade, np.uint8) for shade in (10, 20, 30)]
    picture = gallery._grid(tiles, 2)
    assert picture.shape == (4, 6, 3)
    assert [picture[0, 0, 0], picture[0, 3, 0], picture[2, 0, 0]] == [10, 20, 30]
    assert (picture[2:, 3:] == 255).all()


def test_the_command_line_writes_both_pictures(toy_rig_file, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "_SHEET", (1, 2))
    out = tmp_path / "docs"
    assert gallery.main(["--rig", str(toy_rig_file), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["au_gallery.jpg", "faces.jpg"]
    assert cv2.imread(str(out / "faces.jpg")).shape == (200, 400, 3)


def test_the_command_line_reports_a_missing_rig(tmp_path, caplog):
    assert gallery.main(["--rig", str(tmp_path / "none.npz"), "--out", str(tmp_path / "d")]) == 2
    assert "there is no face rig" in caplog.text
    assert not (tmp_path / "d").exists()


def test_a_file_in_the_place_of_the_folder_is_named(toy_rig_file, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(gallery, "au_gallery", lambda _: np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "docs").write_text("not a folder")
    assert gallery.main(["--rig", str(toy_rig_file), "--out", str(tmp_path / "docs")]) == 2
    assert f"{tmp_path / 'docs'} cannot be made" in caplog.text
