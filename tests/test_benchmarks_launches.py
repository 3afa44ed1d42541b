"""What the launches of our own GPU engine take, told without a GPU."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import launches
from runtime.errors import DeviceError


class Backend:
    """Three launches of two kernels, and a graph that takes 8 to 12 microseconds."""

    launches = tuple(
        SimpleNamespace(code=f"{kernel}-0123456789", writes=(result, "other"), grid=(4, 1, 2))
        for kernel, result in (("gather", "reaching"), ("advance", "states"), ("gather", "again"))
    )

    def __init__(self):
        self.times, self.closed = [12e-6, 8e-6, 9e-6], False

    @staticmethod
    def launch_seconds():
        return [1e-6, 5e-6, 2e-6]

    def gpu_seconds(self):
        self.times = [*self.times[1:], self.times[0]]
        return self.times[0]

    def close(self):
        self.closed = True


def test_times_are_told_by_kernel_and_by_launch(monkeypatch, tmp_path, capsys):
    backend, path = Backend(), tmp_path / "times.json"
    monkeypatch.setattr(launches, "open_backend", lambda *_, **__: backend)
    assert launches.main(["net.fused", "--json", str(path)]) == 0
    assert backend.closed
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["advance", "1", "launches", "5.0", "us"], "the slowest kernel first"
    assert lines[1] == ["gather", "2", "launches", "3.0", "us"]
    assert [line[:2] for line in lines[2:5]] == [
        ["gather", "reaching"],
        ["advance", "states"],
        ["gather", "again"],
    ]
    record = json.loads(path.read_text())
    assert (record["format"], record["model"]) == (launches.FORMAT, "net.fused")
    assert [each["microseconds"] for each in record["launches"]] == pytest.approx([1, 5, 2])
    assert (record["sum"], record["whole"]) == (pytest.approx(8), pytest.approx(9))


@pytest.mark.parametrize("error", [DeviceError("no GPU"), ImportError("no pycuda")])
def test_what_cannot_be_opened(monkeypatch, capsys, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(launches, "open_backend", refuse)
    assert launches.main(["net.fused"]) == 2
    assert str(error) in capsys.readouterr().err
