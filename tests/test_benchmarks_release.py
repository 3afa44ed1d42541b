import subprocess
import sys
import time
from threading import Event, Timer, current_thread, main_thread

import cv2
import numpy as np
import pytest

from benchmarks import release
from benchmarks.release import ROOT, Release, Step, fill, read_steps
from benchmarks.shared.machine import revision
from benchmarks.sheet import main as sheet_main
from benchmarks.sheet import sheet
from runtime.errors import InputError

LIST = """
[[step]]
name = "one"
command = "tool {work}/one.txt first"
reads = ["weights"]
writes = ["one.txt"]
[[step]]
name = "two"
command = "tool two.txt {rig}"
writes = ["two.txt"]
[[step]]
name = "three"
command = "tool three.txt 'a b'"
reads = ["one.txt"]
writes = ["three.txt"]
needs = ["one", "two"]
"""

TOOL = """
import sys
from pathlib import Path
name, *words = sys.argv[1:]
if Path("broken").exists() and words[0] == "first":
    raise SystemExit("no")
with open("order.txt", "a") as file:
    print(Path(name).name, file=file)
Path(name).write_text(" ".join(words))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "list.toml").write_text(LIST)
    (tmp_path / "tool.py").write_text(TOOL)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.pt").write_text("1")
    return tmp_path


def steps_of(folder, rig="face_rig"):
    return fill(read_steps(folder / "list.toml"), {"rig": rig, "work": "."})


def run(folder, lanes=2, force=()):
    steps, _ = steps_of(folder)
    outcome = Release(steps, folder / "work", folder).run(lanes, force)
    order = folder / "order.txt"
    ran = order.read_text().split() if order.exists() else []
    order.unlink(missing_ok=True)
    return outcome, ran


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_every_step_comes_after_what_it_needs(folder, lanes):
    outcome, ran = run(folder, lanes)
    assert outcome == dict.fromkeys(("one", "two", "three"), "done")
    assert sorted(ran[:2]) == ["one.txt", "two.txt"]
    assert ran[2:] == ["three.txt"]
    assert (folder / "two.txt").read_text() == "face_rig"
    assert (folder / "three.txt").read_text() == "a b"


def test_only_what_has_changed_is_run_again(folder):
    run(folder)
    assert run(folder) == (dict.fromkeys(("one", "two", "three"), "current"), [])
    (folder / "two.txt").unlink()
    assert run(folder)[1] == ["two.txt"]
    (folder / "weights" / "a.pt").write_text("2")
    assert run(folder)[1] == ["one.txt"]  # what it says is the same, so three is current
    (folder / "weights" / "b.pt").write_text("")
    assert run(folder)[1] == ["one.txt"]
    assert run(folder, force=["two"])[1] == ["two.txt"]
    changed = (folder / "list.toml").read_text().replace("'a b'", "c")
    (folder / "list.toml").write_text(changed)
    assert run(folder)[1] == ["three.txt"]


def test_a_failure_stops_only_what_needs_it(folder, capsys):
    (folder / "broken").touch()
    outcome, ran = run(folder)
    assert outcome == {"one": "failed", "two": "done", "three": "skipped"}
    assert ran == ["two.txt"]
    assert "one failed after" in capsys.readouterr().err
    assert (folder / "work" / "one.log").read_text().strip() == "no"
    (folder / "broken").unlink()
    assert run(folder)[1] == ["one.txt", "three.txt"]


def test_a_step_that_failed_is_run_again_though_nothing_has_changed(folder):
    assert set(run(folder)[0].values()) == {"done"}
    (folder / "broken").touch()
    assert run(folder, force=["one"])[0]["one"] == "failed"
    (folder / "broken").unlink()
    assert run(folder)[0]["one"] == "done", "what it made may be half of it"


def test_ctrl_c_leaves_no_step_running(folder, monkeypatch):
    (folder / "tool.py").write_text("import time, sys\ntime.sleep(60)\n")
    steps, _ = steps_of(folder)
    work = Release(steps, folder / "work", folder)

    def interrupted(*_, **__):
        deadline = time.monotonic() + 20
        while len(work._processes) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        started.extend(work._processes)
        raise KeyboardInterrupt

    started = []
    monkeypatch.setattr(release, "wait", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work.run(2)
    assert time.monotonic() - began < 30
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_ctrl_c_while_contents_are_read_starts_no_step(folder, monkeypatch):
    steps, _ = steps_of(folder)
    work = Release(steps, folder / "work", folder)
    reading, interrupted = Event(), Event()
    digest_of = Step.digest

    def slowly(step, root):
        if current_thread() is not main_thread():
            reading.set()
            assert interrupted.wait(20)
        return digest_of(step, root)

    def interrupt(*_, **__):
        assert reading.wait(20)
        Timer(0.2, interrupted.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(Step, "digest", slowly)
    monkeypatch.setattr(release, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        work.run(1)
    assert not (folder / "order.txt").exists()


def test_sigterm_ends_it_as_ctrl_c_does(folder):
    (folder / "tool.py").write_text("import time\ntime.sleep(60)\n")
    program = (
        "import sys; from pathlib import Path; from benchmarks import release\n"
        f"release.STEPS = Path({str(folder / 'list.toml')!r})\n"
        "read = release.read_steps\n"
        "release.read_steps = lambda: read(release.STEPS)\n"
        f"release.ROOT = Path({str(folder)!r})\n"
        f"sys.exit(release.main(['--work', {str(folder / 'work')!r}, '--data', '.']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"left out")
        assert process.stdout.readline() == b"one \xe2\x80\xa6\n"
        process.terminate()
        assert process.wait(20) == 130


def test_a_step_that_makes_nothing_has_failed(folder, capsys):
    text = (folder / "list.toml").read_text()
    (folder / "list.toml").write_text(text.replace('writes = ["two.txt"]', 'writes = ["2.txt"]'))
    assert run(folder)[0]["two"] == "failed"
    assert "it made no 2.txt" in capsys.readouterr().err


def test_what_is_not_at_hand_is_left_out_and_what_needs_it_goes_on(folder):
    steps, left_out = steps_of(folder, rig=None)
    assert left_out == ["two"]
    assert [(step.name, step.needs) for step in steps] == [("one", ()), ("three", ("one",))]


def test_a_list_that_names_later_steps_is_refused(folder):
    text = LIST.replace('writes = ["one.txt"]', 'writes = ["one.txt"]\nneeds = ["three"]')
    (folder / "list.toml").write_text(text)
    with pytest.raises(InputError, match=r"one needs \['three'\], not listed above it"):
        read_steps(folder / "list.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_steps(folder / "none.toml")


def test_the_committed_list_runs_modules_on_files_that_are_here():
    names = ("rig", "real", "data", "work")
    steps, left_out = fill(read_steps(), {name: f"given/{name}" for name in names})
    assert left_out == []
    for step in steps:
        module = ROOT / step.command[0].replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), step.name
        for name in (*step.reads, *step.writes):
            # What is under data/ is nobody's but this machine's.
            assert name.startswith(("given/", "data/")) or (ROOT / name).exists(), (
                f"{step.name}: {name}"
            )
        assert "{" not in " ".join((*step.command, *step.reads, *step.writes)), step.name


def test_a_folder_of_the_project_that_is_a_link_keeps_its_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "project").mkdir()
    (tmp_path / "room").mkdir()
    (tmp_path / "project" / "faces").symlink_to(tmp_path / "room")
    (tmp_path / "list.toml").write_text(
        '[[step]]\nname = "one"\ncommand = "tool {data}/a.npy"\nwrites = []\n'
    )
    steps = read_steps(tmp_path / "list.toml")
    monkeypatch.setattr(release, "ROOT", tmp_path / "project")
    monkeypatch.setattr(release, "read_steps", lambda: steps)
    monkeypatch.chdir(tmp_path / "project")
    assert release.main(["--data", "faces", "--list"]) == 0
    told = capsys.readouterr().out
    assert "tool faces/a.npy" in told
    assert "room" not in told


def test_the_command_line_names_what_is_wrong(tmp_path, capsys):
    assert release.main(["--data", str(tmp_path / "none")]) == 2
    assert "--data" in capsys.readouterr().err
    assert release.main(["--data", str(tmp_path), "--force", "everything"]) == 2
    assert "no step everything" in capsys.readouterr().err
    assert release.main(["--data", str(tmp_path), "--work", str(tmp_path), "--list"]) == 0
    said = capsys.readouterr().out
    assert "to run   onnx: python -m export.onnx weights/lgrnet_edge.pt" in said
    assert "left out, for want of --rig or --real: " in said


def test_measurements_do_not_make_the_code_another(tmp_path):
    def git(*arguments):
        named = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", "-C", str(tmp_path), *named, *arguments], check=True)

    assert revision(tmp_path) is None
    for name in ("docs/a.json", "README.md", "benchmarks/results/b.json", "lgrnet/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    clean = revision(tmp_path)
    for name in ("docs/a.json", "README.md", "benchmarks/results/b.json"):
        (tmp_path / name).write_text("2")
    assert revision(tmp_path) == clean
    assert len(clean) >= 7
    (tmp_path / "lgrnet/c.py").write_text("2")
    assert revision(tmp_path) == f"{clean}-dirty"


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16))
    for level in range(0, 250, 50):
        writer.write(np.full((16, 32, 3), level, np.uint8))
    writer.release()
    return path


def test_a_sheet_has_its_frames_in_order(video):
    page = sheet(video, [3, 0, 4], columns=2)
    assert page.shape == (32, 64, 3)
    quarters = [page[:16, :32], page[:16, 32:], page[16:, :32], page[16:, 32:]]
    levels = [float(each.mean()) for each in quarters]
    assert levels == pytest.approx([150, 0, 200, 0], abs=3)


def test_a_sheet_of_what_is_not_there_is_refused(video, tmp_path, capsys):
    page = tmp_path / "page.jpg"
    assert sheet_main([str(video), "--frames", "9", "-o", str(page)]) == 2
    assert "has no frame 5" in capsys.readouterr().err
    assert not page.exists()
    assert sheet_main([str(video), "--frames", "1", "2", "-o", str(page)]) == 0
    assert cv2.imread(str(page)).shape == (16, 64, 3)
    with pytest.raises(SystemExit):
        sheet_main([str(video), "--frames", "1", "-o", "page.tiff"])


def test_a_page_that_cannot_be_written_is_told(video, tmp_path, capsys):
    (tmp_path / "dir.jpg").mkdir()
    (tmp_path / "file").touch()
    for place in ("dir.jpg", "file/page.jpg"):
        with pytest.raises(SystemExit, match="2"):
            sheet_main([str(video), "--frames", "1", "-o", str(tmp_path / place)])
    said = capsys.readouterr().err
    assert "dir.jpg is a folder" in said
    assert f"{tmp_path / 'file'} is a file, and no folder for page.jpg" in said
