"""What a run is, so that nothing else is joined to it after it was cut off."""

import hashlib
import json
import platform

import cv2
import numpy as np
import pytest
from some_runs import break_off, cut, names, rows, run, write_clip

from runtime.detector import Detector
from runtime.errors import InputError
from runtime.finders.grids_opencv import MODEL
from runtime.outputs.begun import _LATER_OPTIONS, check_same, identity, note, of_source
from runtime.results import Result, Timings
from runtime.sources import Source


def test_resume_of_another_source(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--resume")
    break_off(monkeypatch, capsys, 5, *given)
    before = (out / "clip.partial.csv").read_text()
    assert json.loads((out / "clip.latency.partial.json").read_text())["run"]["file"] == "clip.avi"
    for more, said in (
        (["--every", "2"], "had options every 1, this one has 2"),
        (["--threshold", "AU12=0.9"], "had options signals None, this one has {"),
        (["--threshold", "AU12=0.9"], "'thresholds': {'AU12': 0.9}}: give the same"),
        (["--hysteresis", "0.2"], "this one has {'hysteresis': 0.2, 'baseline_quantile': 0.5}"),
        (["--max-faces", "2"], "had options max_faces 8, this one has 2"),
    ):
        code, _, err = run(capsys, *given, *more)
        assert (code, said in err) == (2, True), err
    assert (out / "clip.partial.csv").read_text() == before
    # What an older version began has no note; its frames are compared all the same.
    note = (out / "clip.latency.partial.json").read_bytes()
    (out / "clip.latency.partial.json").unlink()
    code, _, err = run(capsys, *given, "--every", "2")
    assert (code, "or --every is not" in err) == (2, True)
    write_clip(clip, 2)
    (out / "clip.latency.partial.json").write_bytes(note)
    code, _, err = run(capsys, *given)
    assert code == 2
    assert f"{out / 'clip'}.*: the run that was begun had bytes " in err
    (out / "clip.latency.partial.json").unlink()
    code, _, err = run(capsys, *given)
    assert code == 2
    assert "clip.avi ended, but the run that was cut off had come to frame 2" in err
    assert before.startswith((out / "clip.partial.csv").read_text())
    assert [row["frame"] for row in rows(out / "clip.partial.csv")] == list("012")


def test_what_a_version_began_that_noted_less_of_models_goes_on(
    tmp_path, capsys, monkeypatch, model
):
    """Where the model has nothing to tell of what is noted since."""
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--resume")
    break_off(monkeypatch, capsys, 4, *given)
    path = out / "clip.latency.partial.json"
    note = json.loads(path.read_text())
    for name in ("seen", "tuned_on"):
        note["run"]["model"].pop(name, None)
    path.write_text(json.dumps(note))
    code, _, err = run(capsys, *given)
    assert (code, "going on behind frame 2" in err) == (0, True), err


def test_a_refusal_changes_nothing(tmp_path, capsys, monkeypatch, model):
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = ("--out", out, "--model", model, "--no-video")
    with monkeypatch.context() as patch:
        cut(patch, 4, KeyboardInterrupt)
        assert run(capsys, clip, *given)[0] == 130
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == ["clip.csv", "clip.latency.json"]
    code, _, err = run(capsys, clip, *given, "--resume", "--max-faces", "2")
    assert (code, "had options max_faces 8, this one has 2" in err) == (2, True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    monkeypatch.chdir(tmp_path)  # the same file by another path
    _, _, err = run(capsys, "clip.avi", *given, "--resume")
    assert "going on behind frame" in err
    assert len(rows(out / "clip.csv")) == 6
    code, _, err = run(capsys, clip, *given, "--resume", "--max-faces", "2")
    assert (code, "had options max_faces 8, this one has 2" in err) == (2, True), "done otherwise"
    assert "done before" in run(capsys, clip, *given, "--resume", "--threads", "1")[2]


def test_a_folder_is_the_same_from_within(tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    said = []
    for path in (tmp_path / "faces", "faces", "."):
        monkeypatch.chdir(tmp_path / "faces" if path == "." else tmp_path)
        said.append(identity(Source(str(path), "faces"), {}, "fp32", {"threads": len(said)}))
    assert said[0] == said[1] == said[2]
    assert said[0]["file"] == "faces"


def test_another_video_of_the_same_name_is_not_joined(tmp_path, capsys, monkeypatch, model):
    out = tmp_path / "out"
    for day, frames in (("1", 6), ("2", 9)):
        (tmp_path / day).mkdir()
        write_clip(tmp_path / day / "clip.avi", frames)
    given = ("--out", out, "--model", model, "--no-video")
    break_off(monkeypatch, capsys, 4, tmp_path / "1" / "clip.avi", *given)
    code, _, err = run(capsys, tmp_path / "2" / "clip.avi", *given, "--resume")
    assert (code, "the run that was begun had bytes" in err) == (2, True), err
    code, said, _ = run(capsys, tmp_path / "1" / "clip.avi", *given, "--resume")
    assert code == 0
    assert len(rows(out / "clip.csv")) == 6
    record = json.loads((out / "clip.latency.json").read_text())
    with_a_face = sum(row["success"] == "1" for row in rows(out / "clip.csv"))
    assert record["frames_with_a_face"] == with_a_face > 0
    # Of four the last is done again.
    assert (record["frames"], record["latency"]["frames"]) == (6, 3)
    assert "\nof the 3 frames since the cut:\n" in said
    since = sum(row["success"] == "1" and int(row["frame"]) > 2 for row in rows(out / "clip.csv"))
    assert f"a face in {since} of them; with those before the cut in {with_a_face} of 6\n" in said
    assert names(out) == ["clip.csv", "clip.latency.json"]


def test_a_run_is_what_decides_over_its_results(tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(bytes(7))
    source = Source(str(path), "clip")
    free = {"device": "cuda", "threads": 4, "backend": "native", "model": "other/name.onnx"}
    run = identity(source, {"sha": "ab"}, "int8", {"every": 2, "smooth": (1, 2), **free})
    files = run.pop("files")
    assert files.startswith("1, sha256 ")
    assert run == {
        "file": "clip.avi", "bytes": 7, "model": {"sha": "ab"}, "precision": "int8",
        "options": {"every": 2, "smooth": [1, 2]}, "finder_file": None,
    }  # fmt: skip
    assert of_source({"run": run}, source, run)
    assert of_source({"run": {**run, "precision": "fp32"}}, source, run)
    assert not of_source({"run": {**run, "bytes": 8}}, source, run)
    assert not of_source({"run": {**run, "file": "clip.mp4"}}, source, run)
    assert of_source({"run": run}, source, {**run, "files": files})  # of an older version
    assert not of_source({"run": {**run, "files": "1, other"}}, source, {**run, "files": files})
    # Of an older version, which only told the source.
    assert of_source({"source": str(path)}, source, run)
    assert not of_source({"source": "clip.avi"}, source, run)


def test_options_that_came_later_make_another_run(tmp_path):
    run = {"file": "a.avi", "precision": "fp32", "options": {"every": 1}}
    note(tmp_path / "a", run)
    check_same(tmp_path / "a", run)
    later = {**run, "options": {"every": 1, "zoom": 2}}
    with pytest.raises(InputError, match="had options zoom None, this one has 2"):
        check_same(tmp_path / "a", later)
    with pytest.raises(InputError, match="had precision fp32, this one has int8"):
        check_same(tmp_path / "a", {**run, "precision": "int8"})


def test_of_every_option_is_known_what_runs_did_before_it_came(tmp_path, capsys, model):
    """Or a run that an older version began would not go on: had options … None."""
    clip, out = write_clip(tmp_path / "clip.avi", 1), tmp_path / "out"
    assert run(capsys, clip, "--out", out, "--model", model, "--no-video")[0] == 0
    since_the_first = set(json.loads((out / "clip.latency.json").read_text())["options"]) - {
        *("model", "device", "backend", "precision", "threads", "finder", "signals", "aus"),
        *("max_faces", "verify_every", "search_every", "search_side", "min_face", "every"),
    }
    assert since_the_first == _LATER_OPTIONS.keys()


def test_options_that_came_later_and_are_not_used_make_none(tmp_path):
    run = {"file": "a.avi", "options": {"every": 1}}
    note(tmp_path / "a", run)
    check_same(tmp_path / "a", {**run, "options": {"every": 1, "flip_test": False}})
    with pytest.raises(InputError, match="had options flip_test False, this one has True"):
        check_same(tmp_path / "a", {**run, "options": {"every": 1, "flip_test": True}})
    note(tmp_path / "a", {**run, "options": {"every": 1, "flip_test": True}})
    with pytest.raises(InputError, match="had options flip_test True, this one has False"):
        check_same(tmp_path / "a", {**run, "options": {"every": 1, "flip_test": False}})


def folders_of_clips(tmp_path, capsys, model):
    """Two participants, whose folders and clips have the same names, sizes and lengths."""
    folders = [tmp_path / person / "happy" for person in ("p1", "p2")]
    for shade, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for name in ("1.png", "2.png", "3.png", "4.png"):
            picture = np.full((320, 320, 3), 10 + shade, np.uint8)
            (folder / name).write_bytes(cv2.imencode(".bmp", picture)[1])
    return folders, ("--out", tmp_path / "out", "--model", model, "--no-video")


@pytest.mark.parametrize("end", ["", "*.png"])
def test_another_folder_of_the_same_name_is_not_done(tmp_path, capsys, model, end):
    (first, second), given = folders_of_clips(tmp_path, capsys, model)
    assert run(capsys, first / end, *given)[0] == 0
    assert "done before" in run(capsys, first / end, *given, "--resume")[2]
    code, _, err = run(capsys, second / end, *given, "--resume")
    assert code == 0
    assert "done before" not in err
    (second / "5.png").write_bytes((second / "2.png").read_bytes())
    code, _, err = run(capsys, second / end, *given, "--resume")
    assert (code, "done before" in err) == (0, False)
    (table,) = (tmp_path / "out").glob("*.csv")
    assert [row["input"] for row in rows(table)] == [f"{number}.png" for number in range(1, 6)]


def test_another_folder_of_the_same_name_is_not_gone_on_with(tmp_path, capsys, model, monkeypatch):
    (first, second), given = folders_of_clips(tmp_path, capsys, model)
    looked = []

    def look(self, frame):
        looked.append(frame)
        if len(looked) == 4:
            raise RuntimeError
        return Result((), Timings(), (320, 320), holds=self._holds)

    with monkeypatch.context() as patch:
        patch.setattr(Detector, "__call__", look)
        with pytest.raises(RuntimeError):
            run(capsys, first, *given)
    code, _, err = run(capsys, second, *given, "--resume")
    assert (code, "the run that was begun had files 4, sha256" in err) == (2, True), err
    assert run(capsys, first, *given, "--resume")[0] == 0


def test_a_single_file_of_the_same_name_and_size(tmp_path, capsys, model):
    (first, second), given = folders_of_clips(tmp_path, capsys, model)
    assert run(capsys, first / "1.png", *given)[0] == 0
    assert "done before" in run(capsys, first / "1.png", *given, "--resume")[2]
    assert "done before" not in run(capsys, second / "1.png", *given, "--resume")[2]


class NoFaces:
    """Stands in for OpenCV's YuNet, which takes any file then."""

    @staticmethod
    def create(*_):
        return NoFaces()

    def setInputSize(self, size):
        pass

    def detect(self, image):
        return 1, None


def test_another_finder_of_the_same_kind_makes_another_run(tmp_path, capsys, model, monkeypatch):
    monkeypatch.setattr(cv2, "FaceDetectorYN", NoFaces)
    finders = [tmp_path / name for name in ("a.onnx", "b.onnx", "copy_of_a.onnx")]
    for path, content in zip(finders, (b"aaa", b"bbb", b"aaa"), strict=True):
        path.write_bytes(content)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in finders]
    clip, out = write_clip(tmp_path / "clip.avi"), tmp_path / "out"
    given = (clip, "--out", out, "--model", model, "--no-video", "--resume", "--finder")
    break_off(monkeypatch, capsys, 4, *given, finders[0])
    code, _, err = run(capsys, *given, finders[1])
    assert code == 2
    said = "finder_file sha256 {:.16}, this one has sha256 {:.16}"
    assert said.format(digests[0], digests[1]) in err
    note = out / "clip.latency.partial.json"
    older = json.loads(note.read_text())
    code, _, err = run(capsys, *given, finders[2])
    assert (code, "going on behind frame 2" in err) == (0, True), err
    record = json.loads((out / "clip.latency.json").read_text())
    assert record["made_by"]["finder_sha256"] == digests[2]
    # What an older version began says nothing of it, and goes on.
    del older["run"]["finder_file"]
    (out / "clip.csv").rename(out / "clip.partial.csv")
    note.write_text(json.dumps(older))
    assert run(capsys, *given, finders[1])[0] == 0


def test_other_options_are_refused_with_a_new_format_too(tmp_path, capsys, model):
    """Files of two runs would stand side by side otherwise."""
    clip = write_clip(tmp_path / "clip.avi", 3)
    given = (clip, "--out", tmp_path / "out", "--model", model, "--no-video")
    assert run(capsys, *given, "--format", "openface")[0] == 0
    more = ("--resume", "--format", "openface", "jsonl")
    code, _, err = run(capsys, *given, *more, "--threshold", "AU12=0.99")
    assert (code, "the run that was begun had options" in err) == (2, True), err
    assert run(capsys, *given, *more)[0] == 0
    assert "clip.jsonl" in names(tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"null", b"5", b'{"run": 5}', b"\xff\xfe", b"[" * 100_000, b"9" * 5000],
)
@pytest.mark.parametrize("kind", ["note", "record"])
def test_what_a_damaged_file_says_of_a_run_is_not_guessed(
    tmp_path, capsys, monkeypatch, model, kind, content
):
    """An empty note, as after a power cut, would let any run go on with the table."""
    clip = write_clip(tmp_path / "clip.avi", 6)
    given = (clip, "--out", tmp_path / "out", "--model", model, "--no-video")
    if kind == "note":
        break_off(monkeypatch, capsys, 3, *given)
        path = tmp_path / "out" / "clip.latency.partial.json"
    else:
        assert run(capsys, *given)[0] == 0
        path = tmp_path / "out" / "clip.latency.json"
    assert path.is_file()
    path.write_bytes(content)
    code, _, err = run(capsys, *given, "--resume")
    assert (code, f"{path} is damaged" in err) == (2, True), err
    assert run(capsys, *given, "--overwrite")[0] == 0


@pytest.mark.parametrize("what", ["folder", "pattern"])
def test_what_a_run_writes_beside_its_clips_is_none_of_them(
    tmp_path, capsys, monkeypatch, model, what
):
    folder = tmp_path / "same"
    folder.mkdir()
    for name in "ab":
        write_clip(tmp_path / "clip.avi", 4).rename(folder / f"{name}.mp4")
    monkeypatch.chdir(folder)
    source = folder if what == "folder" else "*.mp4"
    given = (source, "--out", ".", "--model", model)
    break_off(monkeypatch, capsys, 6, *given)
    code, _, err = run(capsys, *given, "--resume")
    assert (code, "going on behind frame" in err) == (0, True), err
    assert "done before" in run(capsys, *given, "--resume")[2]


@pytest.mark.parametrize("place", [0, 50_000, -1])
def test_a_file_that_was_repaired_in_place_makes_another_run(tmp_path, place):
    path = tmp_path / "clip.avi"
    content = bytearray(100_000)
    path.write_bytes(content)
    before = identity(Source(str(path), "clip"), {}, "int8", {})
    content[place] = 1
    path.write_bytes(content)
    assert identity(Source(str(path), "clip"), {}, "int8", {})["files"] != before["files"]


def test_a_record_is_of_what_was_looked_at(tmp_path, capsys, model, monkeypatch):
    """A picture that is replaced behind the run's back is not done."""
    (folder, _), given = folders_of_clips(tmp_path, capsys, model)
    look = Detector.__call__

    def replaced(self, frame):
        (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:-1] + b"\7")
        return look(self, frame)

    with monkeypatch.context() as patch:
        patch.setattr(Detector, "__call__", replaced)
        assert run(capsys, folder, *given)[0] == 0
    assert "done before" not in run(capsys, folder, *given, "--resume")[2]
    assert "done before" in run(capsys, folder, *given, "--resume")[2]


def test_a_record_tells_what_made_it(tmp_path, capsys, model):
    clip = write_clip(tmp_path / "clip.avi", 2)
    assert run(capsys, clip, "--out", tmp_path / "out", "--model", model, "--no-video")[0] == 0
    told = json.loads((tmp_path / "out" / "clip.latency.json").read_text())["made_by"]
    assert told["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert told["finder_sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert told["python"] == platform.python_version()
    assert told["numpy"] == np.__version__
    assert told["begun"] <= told["written"]
