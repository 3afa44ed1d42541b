"""Files and names that are made to mislead: what they lead to is refused, or stays where it is."""

import json
import logging
import os
import struct
import subprocess
import sys
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from native_engine import require_native, write_native
from some_videos import write_video
from test_runtime_cli import ROOT, names, rows, run, write_clip
from tiny_network import tiny_network

from runtime.console.messages import OneLine
from runtime.errors import InputError, ModelError, SpecError
from runtime.files.names import named_after
from runtime.formats.growing import GrowingText, partial_path
from runtime.native import library
from runtime.native.model import read_model
from runtime.sources import Video, open_source
from runtime.sources.images import read_image
from runtime.sources.live import stem_of, without_password
from runtime.spec import METADATA_KEY, ModelSpec


@pytest.mark.parametrize(
    "text",
    [
        "upload.mp4 ffconcat version 1.0\n#{}\nfile private.mp4\n",
        "upload.m3u8 #EXTM3U\n#{}\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nprivate.mkv\n"
        "#EXT-X-ENDLIST\n",
    ],
)
@pytest.mark.parametrize("mark", ["", "é"])
def test_a_list_of_other_files_is_no_video(tmp_path, text, mark):
    """FFmpeg plays what it names; one letter beyond ASCII made it look like a video."""
    write_video(tmp_path / "private.mp4")
    write_video(tmp_path / "private.avi", code="MJPG").rename(tmp_path / "private.mkv")
    name, _, content = text.partition(" ")
    path = tmp_path / name
    path.write_text(content.format(mark), encoding="utf-8")
    with pytest.raises(InputError, match=name):
        list(open_source(path))


@pytest.mark.parametrize("end", [".png", ".bmp"])
def test_a_small_file_of_a_huge_picture_is_left_out(tmp_path, capsys, model, end):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    cv2.imwrite(str(folder / "b.png"), np.zeros((60, 60, 3), np.uint8))
    data = bytearray(cv2.imencode(end, np.zeros((60, 60, 3), np.uint8))[1].tobytes())
    if end == ".png":
        data[16:24] = struct.pack(">II", 60_000, 60_000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        data[18:26] = struct.pack("<ii", 60_000, 60_000)
    (folder / f"a{end}").write_bytes(data)
    code, *_ = run(capsys, folder, "--out", out, "--model", model, "--no-video")
    assert code == 2
    assert [row["input"] for row in rows(out / "in.csv")] == ["b.png"]
    with pytest.raises(InputError, match=rf"a{end} has more pixels than OpenCV takes .*: scale it"):
        read_image(folder / f"a{end}")


def test_a_picture_that_is_too_wide_is_refused_for_that(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6\n1100000 1\n255\n" + bytes(3_300_000))
    with pytest.raises(InputError, match=r"a\.ppm is wider or higher than OpenCV takes"):
        read_image(tmp_path / "a.ppm")


def test_how_many_pixels_a_picture_may_have_can_be_said(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    code = "import sys; from runtime.sources.images import read_image; read_image(sys.argv[1])"
    for most, said in (("3600", ""), ("3599", "OPENCV_IO_MAX_IMAGE_PIXELS says): scale it down")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "a.png")],
            env={**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": most},
            capture_output=True, text=True, cwd=ROOT, timeout=100, check=False,
        )  # fmt: skip
        assert (done.returncode, said in done.stderr) == (bool(said), True), done.stderr


@pytest.mark.parametrize("name", ["..avi", "..jpg"])
def test_outputs_stay_in_their_folder(tmp_path, capsys, model, name):
    source, out = tmp_path / "in" / name, tmp_path / "out" / "result"
    source.parent.mkdir()
    if name.endswith(".jpg"):
        cv2.imwrite(str(source), np.full((60, 60, 3), 90, np.uint8))
    else:
        write_clip(tmp_path / "clip.avi", 2).rename(source)
    assert run(capsys, source, "--out", out, "--model", model)[0] == 0
    assert names(tmp_path / "out") == [f"result/{each}" for each in names(out)]
    assert f"{name}.csv" in names(out)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_move_no_terminal(tmp_path, capsys, model, monkeypatch):
    """Names of files may hold what clears the screen, or a line that looks like one of ours."""
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's, so that the program sets its own
    folder, out = tmp_path / "a\x1b[2J", tmp_path / "out\x9b"
    folder.mkdir()
    clip = write_clip(folder / "b\nerror: c\x1b[31m.avi", 2)
    (folder / "d\x07.avi").write_bytes(b"no video")
    code, *said = run(capsys, folder, clip, folder / "e\x7f.avi", "--out", out, "--model", model)
    _, again = said, run(capsys, folder, clip, "--out", out, "--model", model, "--resume")[2]
    assert code == 2
    text = "".join([*said, again])
    assert not set(text) & set(map(chr, [*range(10), *range(11, 32), *range(127, 160)]))
    assert not any(line.startswith("error: c") for line in text.splitlines())
    for shown in (r"a\x1b[2J", r"b\nerror: c\x1b[31m", r"d\x07.avi", r"e\x7f.avi", r"out\x9b"):
        assert shown in text
    assert r"b\nerror: c\x1b[31m.avi: done before" in again
    assert {f"{clip.stem}.csv", f"{folder.name}.csv"} < set(names(out))


def test_a_log_message_is_one_line_and_keeps_its_traceback():
    try:
        raise ValueError("\x1b")
    except ValueError:
        record = logging.makeLogRecord(
            {"msg": "%s is bad", "args": ("a\nb\x1b",), "exc_info": sys.exc_info()}
        )
    first, second, *_ = OneLine("%(message)s").format(record).splitlines()
    assert (first, second) == (r"a\nb\x1b is bad", "Traceback (most recent call last):")


def test_pictures_of_a_pattern_stay_in_their_folder(tmp_path, capsys, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a/b", "far"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), np.zeros((60, 60, 3), np.uint8))
    code, _, err = run(capsys, "a/*/../../far/*.png", "--out", "out/deep", "--model", model)
    assert code == 0, err
    made = [path for path in tmp_path.rglob("*.png") if "annotated" in str(path)]
    assert len(made) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"a", "far", "out", model.name}
    assert not (tmp_path / "out" / "far").exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://h/user=admin&password=secret&channel=1.sdp", "rtsp://h/…&…&channel=1.sdp"),
        ("rtsp://h/user=admin_password=secret_channel=2_stream=0.sdp", "rtsp://h/…_…_channel=2_stream=0.sdp"),
        ("rtsp://h:554/live/token=secret/1", "rtsp://h:554/live/…/1"),
        ("rtsp://h/monkey=1/superuser=2", "rtsp://h/monkey=1/superuser=2"),
        ("rtsp://h/user%3Dadmin%26password%3Dsecret", "rtsp://h/…%26…"),
        ("rtsp://h/api_key=secret/passphrase:secret/1", "rtsp://h/…/…/1"),
    ],
)  # fmt: skip
def test_passwords_in_paths_of_urls(url, shown):
    assert without_password(url) == shown
    assert "secret" not in stem_of(url)


def test_streams_of_one_camera_keep_names_of_their_own():
    urls = [f"rtsp://h/user=a&password=b&channel={number}.sdp" for number in (1, 2)]
    assert len({stem_of(url) for url in urls}) == 2


@pytest.mark.parametrize("letters", ["a" * 250, "é" * 120, "顔" * 82])
def test_pictures_with_long_names(tmp_path, capsys, model, letters):
    folder = tmp_path / "faces"
    folder.mkdir()
    picture = cv2.imencode(".png", np.zeros((60, 60, 3), np.uint8))[1].tobytes()
    for name in (f"{letters}.png", "short.png"):
        (folder / name).write_bytes(picture)
    assert run(capsys, folder, "--out", tmp_path / "out", "--model", model)[0] == 0
    made = names(tmp_path / "out" / "faces.annotated")
    assert len(made) == 2
    assert "short.png.png" in made
    assert [row["input"] for row in rows(tmp_path / "out" / "faces.csv")] == sorted(
        (f"{letters}.png", "short.png")
    )


def test_long_names_stay_apart():
    one, other = (named_after(f"sub/{'a' * 240}{end}", ".png") for end in "xy")
    assert one != other
    assert one.startswith("sub/aaa")
    assert len(os.fsencode(one.partition("/")[2])) <= 220
    assert named_after("sub/short.jpg", ".png") == "sub/short.jpg.png"


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="Windows has no such flag")
def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path):
    victim, target = tmp_path / "victim.txt", tmp_path / "clip.csv"
    victim.write_text("precious")
    partial_path(target).symlink_to(victim)
    with pytest.raises(Exception, match=r"clip\.partial\.csv cannot be written"):
        GrowingText(target)
    assert victim.read_text() == "precious"


@pytest.fixture
def native_file(tmp_path):
    require_native()
    return write_native(tmp_path, tiny_network())


def test_a_model_that_is_packed_is_refused(tmp_path, native_file):
    """A few kilobytes could become any amount of memory; our files are not packed."""
    packed = tmp_path / "packed.npz"
    with (
        zipfile.ZipFile(native_file) as read,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for member in read.infolist():
            file.writestr(member.filename, read.read(member))
        file.writestr("zeros.npy", b"\0" * 10_000_000)
    with pytest.raises(ModelError, match="larger than the file"):
        read_model(packed)


def test_a_model_that_holds_more_than_arrays_is_refused(native_file):
    with zipfile.ZipFile(native_file, "a") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="more than arrays"):
        read_model(native_file)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such owners")
@pytest.mark.parametrize("whose", ["folder", "file"])
def test_an_engine_that_others_can_write_is_not_run(tmp_path, whose):
    """The checksum beside it is no protection from whoever can write both."""
    require_native()
    engine = library.library_path("portable", tmp_path)
    engine.write_bytes(b"not even a library")
    library.write_checksum(engine)
    (tmp_path if whose == "folder" else engine).chmod(0o777)
    with pytest.raises(OSError, match="others can write to it"):
        library.open_library(engine)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"aus": [1.0, 12.0]}, "no whole number"), ({"batch": 1.0}, "no whole number"),
        ({"aus": [True, 12]}, "no whole number"),
    ],
)  # fmt: skip
def test_numbers_of_a_model_are_whole(native_file, change, said):
    metadata = read_model(native_file).spec.to_metadata()
    fields = json.loads(metadata[METADATA_KEY]) | change
    with pytest.raises(SpecError, match=said):
        ModelSpec.from_metadata({METADATA_KEY: json.dumps(fields)}, "m.onnx")


def test_metadata_nested_without_end():
    deep = "[" * sys.getrecursionlimit() * 10
    with pytest.raises(SpecError, match="is not JSON"):
        ModelSpec.from_metadata({METADATA_KEY: deep}, "m.onnx")


def test_a_rate_that_is_none_does_not_blow_up_the_video(monkeypatch, tmp_path):
    """A file that says 999 frames a second and has one every ten seconds."""

    class Odd:
        times = iter((0.0, 9.9, 19.8, 29.7))

        def grab(self):
            self.now = next(self.times, None)
            return self.now is not None

        def get(self, what):
            return {cv2.CAP_PROP_FPS: 999.0, cv2.CAP_PROP_POS_MSEC: 1e3 * (self.now or 0)}[what]

        def isOpened(self):
            return True

        def release(self):
            pass

    path = write_video(tmp_path / "a.avi", code="MJPG", frames=2)
    video = Video.of_file(path)
    video.fps = 999.0
    monkeypatch.setattr("runtime.sources.video._open", lambda _: Odd())
    assert video.pace() == 25


def test_subtitles_of_videos_with_long_names(tmp_path, capsys, model):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("v" * 250 + ".avi", "short.avi"):
        write_clip(tmp_path / "clip.avi", 2).rename(folder / name)
    given = (folder, "--out", tmp_path / "out", "--model", model, "--no-video", "--format", "vtt")
    assert run(capsys, *given)[0] == 0
    assert len(names(tmp_path / "out" / "clips.subtitles")) == 2


def test_a_link_in_place_of_the_video_is_not_followed(tmp_path, capsys, model):
    clip, out = write_clip(tmp_path / "clip.avi", 2), tmp_path / "out"
    out.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (out / "clip.annotated.partial.mp4").symlink_to(victim)
    assert run(capsys, clip, "--out", out, "--model", model)[0] == 0
    assert victim.read_text() == "precious"
    assert not (out / "clip.annotated.mp4").is_symlink()
