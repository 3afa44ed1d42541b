"""How the sizes of programs are chosen, without a GPU."""

from dataclasses import astuple
from types import SimpleNamespace

import pytest

pytest.importorskip("triton")

from tiny_fused import small_model

from benchmarks import tiles
from export.cuda.builder import Builder
from export.cuda.network import build_network
from export.cuda.tiles import (
    MEASURED,
    Tile,
    convolution_rule,
    read_tiles,
    rows_rule,
    step_rule,
    tile_of,
)
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet

ALL = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
"""AUs of the `edge` that ships."""

WORKS = (
    *("convolve 1x4096x32x36", "convolve 64x64x16x288 norm", "convolve 12x123904x96x864 pool"),
    *("advance 1x256x32", "advance 64x1936x64", "gather 1x256x32", "fuse 19x1x256x32"),
)


@pytest.mark.parametrize("work", WORKS)
def test_candidates_fit_every_gpu_and_are_always_the_same(work):
    tried = tiles.candidates(work)
    assert 4 < len(tried) <= tiles.ROUNDS
    assert len(set(tried)) == len(tried)
    assert tried == tiles.candidates(work)
    columns = 4 if work.startswith("advance") else 1
    for tile in tried:
        assert all(each & (each - 1) == 0 for each in (tile.m, tile.n, tile.k, tile.warps))
        if not work.startswith(("gather", "fuse")):
            assert 2 * tile.stages * (tile.m + columns * tile.n) * tile.k <= tiles.SHARED


def test_what_is_measured_goes_before_the_rule(monkeypatch):
    monkeypatch.setattr("export.cuda.tiles._measured", lambda: {"gather 1x2x3": Tile(4, warps=1)})
    assert tile_of("gather 1x2x3", Tile(m=16)) == Tile(4, warps=1)
    assert tile_of("gather 9x2x3", Tile(m=16)) == Tile(16)


def test_the_shipped_tiles_are_of_works_that_there_are():
    """A change of the network's launches must not leave tiles behind that nothing asks for."""
    edge = model_config("edge", aus=ALL, intensity=True)
    paper = model_config("paper")
    asked = set()
    for config, batch in ((edge, 1), (paper, 1), (paper, 64)):
        asked |= set(build_network(LGRNet(config).eval(), batch).works.values())
    assert set(read_tiles(MEASURED)) == asked


def test_the_exporter_takes_the_tiles_that_it_is_given():
    builder = build_network(small_model(), 2, choose=lambda work, rule: Tile(16, 16, 16, 2, 4))
    made = [builder.kernels[key] for key in builder.works]
    assert {kernel.name for kernel in made} == {"convolve", "advance", "gather", "fuse"}
    for kernel in made:
        assert (kernel.constants["BLOCK_M"], kernel.warps, kernel.stages) == (16, 2, 4)
    assert Builder().choose is tile_of


def test_tiles_are_written_one_a_line_and_read_again(tmp_path):
    path = tmp_path / "tiles.json"
    assert read_tiles(path) == {}
    known = {"b 2": Tile(16, 8, 32, 4, 5), "a 1": Tile(4)}
    tiles.write_tiles(known, path)
    assert read_tiles(path) == known
    lines = path.read_text().splitlines()
    assert lines[1:3] == ['  "a 1": [4, 16, 32, 4, 3],', '  "b 2": [16, 8, 32, 4, 5]']


def test_a_sum_that_is_shorter_than_all_candidates_keeps_its_rule():
    short, rule = "convolve 1x1x120x16", Tile(16, k=16)
    assert not tiles.candidates(short)
    assert tiles.tried_of(short, rule, "") == [rule]
    assert tiles.tried_of(WORKS[0], rule, "convolve") == tiles.candidates(WORKS[0])
    assert tiles.tried_of("convolve 1x2x3x4", rule, "gather") == [rule]


def test_the_fastest_candidate_is_kept(monkeypatch, tmp_path, capsys):
    """Two launches of one work count together; of a tile that was timed twice the better time."""
    launches = [SimpleNamespace(code=code) for code in ("k1", "k2", "other", "k1")]
    seconds = {0: [5.0, 1.0, 9.0, 5.0], 1: [2.0, 3.0, 9.0, 2.0], 2: [6.0, 0.5, 9.0, 6.0]}
    of = {0: (16, 32), 1: (32, 64), 2: (16, 32)}
    opened = []

    def make(task):
        *_, number, target, _, only = task
        assert (target, only) == ("9.0", "")
        path = tmp_path / f"{number}.fused"
        path.write_text(str(number % 3))
        m, k = of[number % 3]
        works = {"k1": ("gather", astuple(Tile(m))), "k2": ("advance", astuple(Tile(m, k=k)))}
        return str(path), works

    class Pool:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        @staticmethod
        def imap_unordered(function, tasks):
            return map(make, tasks)

    class Backend:
        def __init__(self, path, *_, **__):
            opened.append(path)
            self.number, self.launches = int(open(path, encoding="utf-8").read()), launches

        def __call__(self, faces):
            assert faces.shape == (2, 176, 176, 3)

        def launch_seconds(self, repeats):
            return seconds[self.number]

        def close(self):
            pass

    context = SimpleNamespace(Pool=lambda processes: Pool())
    monkeypatch.setattr(tiles.multiprocessing, "get_context", lambda kind: context)
    monkeypatch.setattr("benchmarks.shared.memory.ask_gpu", lambda what: "9.0")
    monkeypatch.setattr("runtime.backends.open_backend", Backend)
    output = tmp_path / "tiles.json"
    tiles.write_tiles({"fuse": Tile(8), "gather": Tile(128)}, output)
    assert tiles.main(["net.pt", "--batch", "2", "--json", str(output)]) == 0
    assert read_tiles(output) == {
        "gather": Tile(32), "advance": Tile(16, k=32), "fuse": Tile(8),
    }  # fmt: skip
    assert len(opened) == tiles.ROUNDS
    assert not list(tmp_path.glob("*.fused")), "files of hundreds of megabytes are not left"
    assert "gather" in capsys.readouterr().out


def test_without_a_gpu_nothing_is_measured(monkeypatch, tmp_path, capsys):
    def ask(what):
        raise OSError("no nvidia-smi")

    monkeypatch.setattr("benchmarks.shared.memory.ask_gpu", ask)
    assert tiles.main(["net.pt", "--json", str(tmp_path / "tiles.json")]) == 2
    assert "net.pt cannot be measured here: no nvidia-smi" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sizes", "tile"),
    [
        # 528 tiles of 64 × 64 fill a GPU: 264 · 64 positions of 2 · 64 channels, one fewer do not.
        ((1, 264 * 64, 128, 64), Tile(128, 128, 32)),
        ((1, 263 * 64, 128, 64), Tile(32, 32, 64, 4, 5)),
        ((8, 65 * 64 + 1, 33, 1024), Tile(128, 64, 64)),
        ((8, 66 * 64, 16, 1023), Tile(128, 16, 32)),
        ((8, 66 * 64, 300, 27), Tile(128, 128, 32)),
        # Programs never have fewer than 16 channels, what a matrix instruction takes.
        ((1, 64, 3, 27), Tile(16, 16, 32, 4, 5)),
        ((1, 65, 40, 2000), Tile(32, 32, 64, 4, 5)),
    ],
)
def test_the_rule_saves_reads_where_a_gpu_is_filled(sizes, tile):
    assert convolution_rule(*sizes) == tile


def test_the_rules_of_what_goes_through_memory_once():
    for numbers, rows, step in ((99_999, 16, (16, 8)), (100_000, 64, (64, 32))):
        assert rows_rule(numbers).m == rows
        assert (step_rule(numbers).m, step_rule(numbers).n) == step
    assert [rows_rule(n).warps for n in (1, 100_000)] == [4, 8]
