"""Formats about times: events and subtitles."""

import itertools
from dataclasses import replace

import pytest
from some_results import some_face, some_result
from some_runs import rows
from test_runtime_formats import LAYOUT, write

from runtime.errors import InputError
from runtime.formats import TIMED, Layout, open_writer, output_path
from runtime.formats.changes import Changes, time_of
from runtime.formats.growing import partial_path
from runtime.formats.subtitles import clock
from runtime.results import Result


def smile() -> list[Result]:
    """AU12 in frames 1 to 3 and AU06 in 2 to 5 of face 0, AU24 of face 1 in 3; then nobody."""
    present = [(), ("AU12",), ("AU06", "AU12"), ("AU06", "AU12"), ("AU06",), ("AU06",)]
    frames = [
        [some_face(0, aus, AU06=0.1 * i, AU12=0.9, AU24=0.5)] for i, aus in enumerate(present)
    ]
    frames[3].append(some_face(1, ("AU24",)))
    return [some_result(i, *faces) for i, faces in enumerate([*frames, []])]


def test_events(tmp_path):
    path = write(tmp_path, "events", *smile())
    table = [
        tuple(row[key] for key in ("face_id", "au", "onset", "offset", "first_frame", "last_frame"))
        for row in rows(path)
    ]
    assert table == [
        ("0", "AU12", "0.040", "0.160", "1", "3"),
        ("1", "AU24", "0.120", "0.160", "3", "3"),
        ("0", "AU06", "0.080", "0.240", "2", "5"),
    ]
    peaks = {row["au"]: (row["name"], row["peak"]) for row in rows(path)}
    assert peaks["AU06"] == ("Cheek Raiser", "0.5000")


def test_events_that_go_on_are_in_the_file(tmp_path):
    with open_writer("events", tmp_path / "clip", LAYOUT) as writer:
        for result in smile()[:3]:
            writer.write(result)
        part = partial_path(output_path(tmp_path / "clip", "events"))
        assert [(row["au"], row["offset"]) for row in rows(part)] == [
            *(("AU12", "0.080"), ("AU06", "0.080")),
        ]
    assert len(rows(tmp_path / "clip.events.csv")) == 2


@pytest.mark.parametrize("adjusted", [{}, {"AU06": 0.15, "AU12": 0.25, "AU24": 0.35}])
def test_peaks_are_the_highest_values_of_an_event(adjusted):
    """Of what presence was judged by, where signals adjusted it."""
    changes = Changes()
    for index, strength in enumerate((1.0, 3.0, 2.0)):
        face = some_face(0, ("AU12",), AU06=0.0, AU12=0.3 * strength, AU24=0.0)
        shown = {key: value * strength for key, value in adjusted.items()}
        strengths = {"AU06": 0.0, "AU12": strength, "AU24": 0.0}
        face = replace(face, intensities=strengths, adjusted=shown)
        assert changes.update(some_result(index, face)) == []
    (event,) = changes
    assert event.peak_intensity == 3.0
    assert event.peak == pytest.approx(0.75 if adjusted else 0.9)


VTT = """WEBVTT

1
00:00:00.040 --> 00:00:00.080
AU12 Lip Corner Puller

2
00:00:00.080 --> 00:00:00.120
AU06 Cheek Raiser, AU12 Lip Corner Puller

3
00:00:00.120 --> 00:00:00.160
#0 AU06 Cheek Raiser, AU12 Lip Corner Puller
#1 AU24 Lip Pressor

4
00:00:00.160 --> 00:00:00.240
AU06 Cheek Raiser

"""


def test_subtitles(tmp_path):
    assert write(tmp_path, "vtt", *smile()).read_text() == VTT
    srt = VTT.removeprefix("WEBVTT\n\n").replace(".", ",")
    assert write(tmp_path, "srt", *smile()).read_text() == srt


def test_subtitles_are_whole_after_every_frame(tmp_path):
    with open_writer("vtt", tmp_path / "clip", LAYOUT) as writer:
        part = partial_path(tmp_path / "clip.vtt")
        for result in smile()[:3]:
            writer.write(result)
        assert part.read_text().endswith(
            "2\n00:00:00.080 --> 00:00:00.081\nAU06 Cheek Raiser, AU12 Lip Corner Puller\n\n"
        )


def cues(path) -> list[tuple[float, float, str]]:
    """Start and end of each cue, seconds, and what it says."""
    told = []
    for block in path.read_text().split("\n\n"):
        if " --> " in block:
            _, times, text = block.split("\n", 2)
            start, end = (
                sum(float(part) * 60**power for power, part in enumerate(time.split(":")[::-1]))
                for time in times.split(" --> ")
            )
            told.append((start, end, text))
    return told


@pytest.mark.parametrize(
    "seconds",
    [
        [0.0, 0.04, 0.08, 0.06, 0.1, 0.14, 0.12, 0.16],  # a clock that is set back a little
        [0.0] * 8,  # one that stands still
        [0.0, 0.04, 0.04, 0.04, 0.0404, 0.0408, 0.12, 0.16],
        [5.0, 5.04, 5.08, 0.0, 0.04, 0.08, 0.12, 0.16],  # another video
    ],
)
def test_cues_are_in_order_whatever_the_times(tmp_path, seconds):
    shown = [("AU12",), ("AU06",), ("AU12",), ("AU06",), (), ("AU12",), ("AU12",), ("AU24",)]
    frames = [
        some_result(i, some_face(0, aus), timestamp=time)
        for i, (aus, time) in enumerate(zip(shown, seconds, strict=True))
    ]
    told = cues(write(tmp_path, "vtt", *frames))
    assert [text[:4] for _, _, text in told] == ["AU12", "AU06", "AU12", "AU06", "AU12", "AU24"]
    assert all(start < end for start, end, _ in told)
    assert all(end <= after for (_, end, _), (after, _, _) in itertools.pairwise(told))
    assert told[0][0] == seconds[0]


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_subtitles_have_no_times_below_0(tmp_path, name):
    early = some_result(3, some_face(0), timestamp=-1.5)
    with pytest.raises(InputError, match=r"frame 3 is at -1\.5 seconds, and subtitles"):
        write(tmp_path, name, early)
    assert not list(tmp_path.iterdir())
    (row,) = rows(write(tmp_path, "events", early))
    assert row["onset"] == "-1.500"


def test_clock():
    assert clock(0) == "00:00:00.000"
    assert clock(3661.5) == "01:01:01.500"
    assert clock(59.9996, ",") == "00:01:00,000"
    assert clock(360000) == "100:00:00.000"


def two_files() -> list[Result]:
    """A smile at the end of one file and at the begin of the next, of faces that are both #0."""
    face = some_face(0, ("AU12",))
    return [
        replace(some_result(i, *faces, timestamp=time), name=name)
        for i, (name, time, faces) in enumerate(
            [
                *(("a.mp4", 0.0, []), ("a.mp4", 0.5, [face]), ("a.mp4", 1.0, [face])),
                *(("in/b.mp4", 0.0, [face]), ("in/b.mp4", 0.25, []), ("in/b.mp4", 0.5, [])),
            ]
        )
    ]


def test_events_end_with_their_file(tmp_path):
    path = write(tmp_path, "events", *two_files(), layout=replace(LAYOUT, named=True))
    names = ("input", "onset", "offset", "first_frame", "last_frame")
    assert [tuple(row[name] for name in names) for row in rows(path)] == [
        ("a.mp4", "0.500", "1.000", "1", "2"),
        ("in/b.mp4", "0.000", "0.250", "3", "3"),
    ]


def test_each_video_of_many_has_its_own_subtitles(tmp_path):
    write(tmp_path, "vtt", *two_files(), layout=replace(LAYOUT, named=True))
    head, says = "WEBVTT\n\n1\n00:00:0", "AU12 Lip Corner Puller\n\n"
    files = {
        path.relative_to(tmp_path).as_posix(): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert files == {
        "clip.subtitles/a.mp4.vtt": f"{head}0.500 --> 00:00:01.000\n{says}",
        "clip.subtitles/in/b.mp4.vtt": f"{head}0.000 --> 00:00:00.250\n{says}",
    }


@pytest.mark.parametrize("name", sorted(TIMED))
def test_events_need_times(tmp_path, name):
    with pytest.raises(InputError, match="frame 7 has no timestamp"):
        write(tmp_path, name, some_result(7, some_face(), name="a.png"))


@pytest.mark.parametrize("seconds", [1 / 3, 0.00005, 2.00014999, 1e4 / 7])
def test_times_of_events_are_those_of_the_native_table(tmp_path, seconds):
    result = some_result(0, some_face(0), timestamp=seconds)
    (row,) = rows(write(tmp_path, "native", result, layout=Layout(tuple(result.faces[0].aus))))
    assert time_of(result) == float(row["timestamp"])
