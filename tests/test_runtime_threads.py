import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.backends import threads
from runtime.backends.threads import cpu_quota, default_threads, physical_cores

HYPERTHREADED = {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"}
NEIGHBOURS = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4"}


def write_topology(root: Path, siblings: dict[int, str]) -> Path:
    for cpu, text in siblings.items():
        folder = root / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("siblings", "cpus", "cores"),
    [
        (HYPERTHREADED, range(8), 4),
        (HYPERTHREADED, {0, 4}, 1),
        (HYPERTHREADED, {0, 1, 6}, 3),
        (HYPERTHREADED, {5}, 1),
        (NEIGHBOURS, range(5), 3),
        (NEIGHBOURS, {1, 2}, 2),
        (dict.fromkeys(range(4), "0-3"), {1, 2, 3}, 1),
        ({}, {0, 1, 2}, 3),  # no topology: each CPU counts
        ({0: "", 1: "one"}, {0, 1}, 2),
        ({0: "0,2", 2: "0,2"}, {0, 1, 2}, 2),
    ],
)
def test_physical_cores(tmp_path, siblings, cpus, cores):
    assert physical_cores(set(cpus), write_topology(tmp_path, siblings)) == cores


@pytest.mark.skipif(not shutil.which("lscpu"), reason="lscpu, which also counts cores, is missing")
def test_physical_cores_of_this_machine():
    table = subprocess.run(["lscpu", "-p=CPU,CORE,SOCKET"], capture_output=True, text=True).stdout
    rows = [line.split(",") for line in table.splitlines() if not line.startswith("#")]
    usable = os.sched_getaffinity(0)
    cores = {(core, socket) for cpu, core, socket in rows if int(cpu) in usable}
    assert physical_cores(usable) == len(cores)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def quota_of(folder: Path, groups: str, files: dict[str, str]) -> float | None:
    for name, text in files.items():
        write(folder / "fs" / name, text)
    write(folder / "membership", groups)
    return cpu_quota(folder / "fs", folder / "membership")


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/", {}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "200000 50000"}, 4),
        # The tightest from the process's group up to the root counts, and no other group's.
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1),
        ("0::/a", {"a/b/cpu.max": "100000 100000", "c/cpu.max": "100000 100000"}, None),
        # A container that sees the host's path, but not the host's groups.
        ("0::/docker/1f2e", {"cpu.max": "250000 100000"}, 2.5),
        ("0::/../x", {"cpu.max": "250000 100000"}, 2.5),
        # Damaged files limit nothing.
        ("0::/", {"cpu.max": "much"}, None),
        ("0::/", {"cpu.max": "100000 0"}, None),
    ],
)
def test_quota_of_version_2(tmp_path, groups, files, quota):
    assert quota_of(tmp_path, groups, files) == quota


V1 = "12:memory:/m\n4:cpu,cpuacct:/a/b\n0::/"


@pytest.mark.parametrize(
    ("groups", "places", "quota"),
    [
        (V1, {"cpu,cpuacct/a/b": (50000, 100000)}, 0.5),
        (V1, {"cpu/a/b": (50000, 100000)}, 0.5),
        (V1, {"cpu,cpuacct/a/b": (-1, 100000)}, None),
        (V1, {"cpu,cpuacct/a/b": (-1, 100000), "cpu,cpuacct": (700000, 100000)}, 7),
        (V1, {"memory/m": (50000, 100000)}, None),
        ("3:cpuset:/a\n2:cpuacct:/a", {"cpu/a": (50000, 100000), "cpuset/a": (1, 2)}, None),
        ("3:cpu:/a", {"cpu/a": (50000, 100000)}, 0.5),
    ],
)
def test_quota_of_version_1(tmp_path, groups, places, quota):
    files = {}
    for place, (limit, period) in places.items():
        files[f"{place}/cpu.cfs_quota_us"] = str(limit)
        files[f"{place}/cpu.cfs_period_us"] = str(period)
    assert quota_of(tmp_path, groups, files) == quota


def test_no_control_groups_at_all(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("cores", "quota", "count"),
    [(4, None, 4), (4, 2.0, 2), (4, 1.5, 1), (4, 0.2, 1), (2, 64.0, 2), (1, None, 1)],
)
def test_default_threads(monkeypatch, cores, quota, count):
    asked = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    monkeypatch.setattr(threads, "physical_cores", lambda cpus: asked.append(cpus) or cores)
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    assert default_threads() == count
    assert asked == [{3, 5}]


@pytest.mark.parametrize(("cores", "cpus", "count"), [(4, 8, 4), (None, 6, 6), (None, None, 1)])
def test_default_threads_of_other_systems(monkeypatch, cores, cpus, count):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads, "counted_cores", lambda: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)
    assert default_threads() == count
