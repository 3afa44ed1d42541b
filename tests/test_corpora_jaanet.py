"""JÂA-Net's list files, drawn by tests/drawn_corpora.py, through `lgrnet.prepare jaanet`."""

import json
import re

import drawn_corpora
import numpy as np
import pyarrow.parquet
import pytest

from lgrnet.data.shards import FaceShards
from lgrnet.prepare import main
from runtime.action_units import BP4D_AUS, DISFA_AUS

PARTS = {
    "part1": [f"BP4D/F001/T1/{n}.jpg" for n in (2440, 2441, 2443)] + ["BP4D/F001/T2/7.jpg"],
    "part2": ["BP4D/M002/T8/10.jpg", "BP4D/M002/T8/11.jpg"],
    "part3": ["BP4D/F004/T3/0.jpg"],
}


def prepare(folder, *more):
    return main(
        [
            *("jaanet", "--lists", str(folder / "list"), "--images", str(folder / "imgs")),
            *("--out", str(folder / "out"), "--workers", "0", "--no-progress", *more),
        ]
    )


def check(folder, faces, splits, aus):
    shards = FaceShards(folder / "out", splits)
    assert shards.aus == aus
    table = pyarrow.parquet.read_table(folder / "out" / "index.parquet").to_pylist()
    assert len(table) == len(faces)
    at = {(row["shard"], row["row"]): (row["subject"], row["task"], row["frame"]) for row in table}
    assert len(at) == len(faces)
    for path, (labels, points, code) in faces.items():
        corpus, subject, *task, name = path.split("/")
        frame = int(name.removesuffix(".jpg")) + (corpus == "DISFA")
        key = next(k for k, v in at.items() if v == (subject, "".join(task), frame))
        face = np.load(folder / "out" / f"{key[0]}.faces.npy")[key[1]]
        with np.load(folder / "out" / f"{key[0]}.labels.npz") as stored:
            assert stored["presence"][key[1]].tolist() == labels
            assert np.isnan(stored["intensity"][key[1]]).all()
            np.testing.assert_allclose(stored["landmarks"][key[1]], points, atol=1e-4)
        assert abs(drawn_corpora.seen_code(face, points) - code) < 4


def test_parts_are_read_as_they_are(tmp_path):
    faces = drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", PARTS)
    assert prepare(tmp_path) == 0
    check(tmp_path, faces, ("F001", "M002", "F004"), BP4D_AUS)
    assert FaceShards(tmp_path / "out", "M002").labels.subject.tolist() == [102, 102]


def test_combined_lists_do_as_well_as_parts(tmp_path):
    combined = {
        "combine_1_2": PARTS["part1"] + PARTS["part2"],
        "combine_2_3": PARTS["part2"] + PARTS["part3"],
        "part1": PARTS["part1"],
    }
    faces = drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", combined)
    # As shipped: the paths of every part, and nothing else of some.
    (tmp_path / "list" / "BP4D_part3_path.txt").write_text("BP4D/F004/T3/0.jpg\n")
    (tmp_path / "list" / "reflect_49.txt").write_text("10 9 8\n")
    assert prepare(tmp_path) == 0
    check(tmp_path, faces, ("F001", "M002", "F004"), BP4D_AUS)


def test_disfa_counts_pictures_from_0(tmp_path):
    parts = {"part1": ["DISFA/SN002/0.jpg", "DISFA/SN002/12.jpg"], "part2": ["DISFA/SN006/3.jpg"]}
    faces = drawn_corpora.write_jaanet(
        tmp_path / "list", tmp_path / "imgs", parts, aus=8, corpus="DISFA"
    )
    assert prepare(tmp_path) == 0
    check(tmp_path, faces, ("SN002", "SN006"), DISFA_AUS)


def test_landmarks_that_are_all_0_are_of_no_face(tmp_path):
    faces = drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", PARTS)
    put(tmp_path / "list" / "BP4D_part1_land.txt", 2, "0 " * 98)
    put(tmp_path / "list" / "BP4D_part1_biocular.txt", 2, "0")
    assert prepare(tmp_path) == 0
    del faces[PARTS["part1"][1]]
    check(tmp_path, faces, ("F001", "M002", "F004"), BP4D_AUS)
    (dropped,) = json.loads((tmp_path / "out" / "report.json").read_text())["dropped_frames"]
    told = [dropped[name] for name in ("subject", "task", "frames", "reason")]
    assert told == ["F001", "T1", "2441", "no landmarks"]


def lines(path):
    return path.read_text().splitlines()


def put(path, number, line):
    found = lines(path)
    found[number - 1] = line
    path.write_text("\n".join(found) + "\n")


def swap(path):
    found = lines(path)
    path.write_text("\n".join([found[1], found[0], *found[2:]]) + "\n")


SPOILT = {
    "no image": (
        lambda lists, imgs: (imgs / "BP4D/F001/T1/2441.jpg").unlink(),
        r"part1_path.txt, line 2: there is no image .*2441.jpg",
    ),
    "strange path": (
        lambda lists, imgs: put(lists / "BP4D_part1_path.txt", 3, "imgs/F001/1.jpg"),
        r"part1_path.txt, line 3: 'imgs/F001/1.jpg' is no path of this corpus",
    ),
    "twice": (
        lambda lists, imgs: put(lists / "BP4D_part1_path.txt", 2, PARTS["part1"][0]),
        r"line 2: BP4D/F001/T1/2440.jpg is there twice, first in BP4D_part1_path.txt, line 1",
    ),
    "too few landmarks": (
        lambda lists, imgs: put(lists / "BP4D_part2_land.txt", 2, "1 2 3"),
        r"part2_land.txt, line 2: is not 98 finite numbers",
    ),
    "NaN": (
        lambda lists, imgs: put(lists / "BP4D_part2_land.txt", 1, "nan " * 98),
        r"part2_land.txt, line 1: is not 98 finite numbers",
    ),
    "a point far away": (
        lambda lists, imgs: put(lists / "BP4D_part2_land.txt", 1, "9e9 " + "5 7 " * 48 + "5"),
        r"part2_land.txt, line 1: is no face's landmarks: point 1 is at \(9e\+09, 5\)",
    ),
    "both eyes at one place": (
        lambda lists, imgs: put(lists / "BP4D_part2_land.txt", 1, "5 7 " * 49),
        r"part2_land.txt, line 1: is no face's landmarks: both eyes are at one place",
    ),
    "a label of very many digits": (
        lambda lists, imgs: put(lists / "BP4D_part3_AUoccur.txt", 1, "0 " * 11 + "1" * 5000),
        r"part3_AUoccur.txt, line 1: is not 12 labels of 0, 1 or 9",
    ),
    "label of 2": (
        lambda lists, imgs: put(lists / "BP4D_part3_AUoccur.txt", 1, "0 " * 11 + "2"),
        r"part3_AUoccur.txt, line 1: is not 12 labels of 0, 1 or 9",
    ),
    "labels of another corpus": (
        lambda lists, imgs: put(lists / "BP4D_part3_AUoccur.txt", 1, "0 " * 8),
        r"part3_AUoccur.txt, line 1: is not 12 labels",
    ),
    "other order": (
        lambda lists, imgs: swap(lists / "BP4D_part2_land.txt"),
        r"part2_biocular.txt, line 1: is .* are the lists in the same order\?",
    ),
    "a line too few": (
        lambda lists, imgs: (lists / "BP4D_part1_land.txt").write_text(
            "\n".join(lines(lists / "BP4D_part1_land.txt")[:-1])
        ),
        r"part1_land.txt: has 3 lines, BP4D_part1_path.txt has 4",
    ),
    "a part without labels": (
        lambda lists, imgs: (lists / "BP4D_part3_AUoccur.txt").unlink(),
        r"part3_path.txt: 1 of its 1 faces have no landmarks or labels: "
        "BP4D_part3_AUoccur.txt missing",
    ),
    "a part that differs": (
        lambda lists, imgs: (
            [
                (lists / f"BP4D_combine_2_3_{name}.txt").write_text(
                    lines(lists / f"BP4D_part2_{name}.txt")[0] + "\n"
                )
                for name in ("path", "land")
            ]
            + [(lists / "BP4D_combine_2_3_AUoccur.txt").write_text("9 " * 12 + "\n")]
        ),
        r"combine_2_3_path.txt, line 1: BP4D/M002/T8/10.jpg has other landmarks or labels than",
    ),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_faults_are_named_with_file_and_line(tmp_path, caplog, fault):
    drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", PARTS)
    spoil, message = SPOILT[fault]
    spoil(tmp_path / "list", tmp_path / "imgs")
    assert prepare(tmp_path) == 2
    (found,) = [record.getMessage() for record in caplog.records]
    assert re.search(message, found), found
    assert not (tmp_path / "out").exists()


def test_pictures_of_another_size_are_refused(tmp_path, caplog):
    drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", PARTS)
    path = tmp_path / "imgs" / "BP4D/M002/T8/11.jpg"
    drawn_corpora.cv2.imwrite(str(path), np.zeros((256, 240, 3), np.uint8))
    assert prepare(tmp_path) == 2
    assert f"{path}: is 240 × 256, aligned faces are 200 × 200" in caplog.text


def test_lists_of_both_corpora_need_a_choice(tmp_path, caplog):
    drawn_corpora.write_jaanet(tmp_path / "list", tmp_path / "imgs", PARTS)
    (tmp_path / "list" / "DISFA_part1_path.txt").write_text("DISFA/SN002/0.jpg\n")
    assert prepare(tmp_path) == 2
    assert "holds lists of BP4D and DISFA: choose one with --of" in caplog.text
    assert prepare(tmp_path, "--of", "bp4d") == 0
    caplog.clear()
    assert prepare(tmp_path, "--of", "disfa") == 2
    assert "holds no complete lists, such as DISFA_part1_path.txt" in caplog.text


def test_a_folder_without_lists_is_refused(tmp_path, caplog):
    (tmp_path / "list").mkdir()
    assert prepare(tmp_path) == 2
    assert "holds lists of no *_path.txt" in caplog.text
