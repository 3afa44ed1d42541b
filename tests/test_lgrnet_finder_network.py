import numpy as np
import pytest
import torch

from lgrnet.checkpoint import CheckpointError
from lgrnet.finder.network import FinderNetwork, decode
from lgrnet.finder.weights import FORMAT, load_finder, save_finder

SMALL = {"widths": (4, 4, 8, 8, 8), "depths": (0, 1, 0, 1), "features": 8}


def small_finder():
    torch.manual_seed(0)
    return FinderNetwork(**SMALL)


def test_maps_have_a_cell_for_every_stride_and_no_face_at_first():
    network = FinderNetwork().eval()
    assert sum(p.numel() for p in network.parameters()) == 145_837
    with torch.no_grad():
        outputs = network(torch.rand(2, 3, 64, 96) * 255)
    assert [tuple(o.shape) for o in outputs] == [
        (2, 15, 8, 12), (2, 15, 4, 6), (2, 15, 2, 3)
    ]  # fmt: skip
    for output in outputs:
        assert torch.sigmoid(output[:, 0]).max() < 0.02


def test_pixels_are_centred_before_the_first_convolution():
    network = small_finder().eval()
    seen = []
    network.stem.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        network(torch.arange(32 * 32 * 3).reshape(1, 3, 32, 32).float() % 256)
    expected = (np.arange(32 * 32 * 3) % 256 - 127.5) / 64
    np.testing.assert_allclose(seen[0].numpy().ravel(), expected, atol=1e-6)


def test_decoding_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    outputs = [rng.normal(0, 1.5, (2, 15, 16 // s, 24 // s)) for s in (1, 2, 4)]
    outputs[0][0, 3, 0, 0] = 9.0  # a size that is not believed
    said = decode([torch.from_numpy(o).float() for o in outputs])
    for picture in range(2):
        n = 0
        for output, stride in zip(outputs, (8, 16, 32), strict=True):
            for row in range(output.shape[2]):
                for column in range(output.shape[3]):
                    v = output[picture, :, row, column]
                    x, y = (column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5
                    sides = [np.exp(min(max(t, -3), 3)) * 4 * stride for t in v[3:5]]
                    box = [x + v[1] * stride, y + v[2] * stride, *sides]
                    points = [
                        (x + v[5 + 2 * k] * 4 * stride, y + v[6 + 2 * k] * 4 * stride)
                        for k in range(5)
                    ]
                    assert float(said.score[picture, n]) == pytest.approx(v[0], abs=1e-5)
                    np.testing.assert_allclose(said.box[picture, n], box, rtol=1e-5, atol=1e-3)
                    np.testing.assert_allclose(
                        said.points[picture, n], points, rtol=1e-5, atol=1e-3
                    )
                    assert said.cell[n].tolist() == [x, y]
                    assert float(said.stride[n]) == stride
                    n += 1
        assert n == said.score.shape[1] == len(said.cell)


def test_a_file_gives_the_network_back(tmp_path):
    network = small_finder().eval()
    save_finder(tmp_path / "finder.pt", network, {"steps": 3})
    again, meta = load_finder(tmp_path / "finder.pt")
    assert meta == {"steps": 3}
    assert not again.training
    image = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        for one, other in zip(network(image), again(image), strict=True):
            assert torch.equal(one, other)


def test_other_files_are_refused_in_words(tmp_path):
    path = tmp_path / "finder.pt"

    def said(content=None):
        if content is not None:
            torch.save(content, path)
        with pytest.raises(CheckpointError) as caught:
            load_finder(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    network = small_finder()
    whole = {"format": FORMAT, "config": network.config, "model": network.state_dict(), "meta": {}}
    assert "no such file; `python -m lgrnet.finder.train`" in said()
    assert "no face finder (it names no format)" in said(network.state_dict())
    assert "has format 'lgrnet-checkpoint-1'" in said({**whole, "format": "lgrnet-checkpoint-1"})
    assert "lacks ['meta']" in said({k: v for k, v in whole.items() if k != "meta"})
    assert "do not fit" in said({**whole, "config": {**network.config, "features": 12}})
    assert "do not fit" in said({**whole, "config": {"wings": 2}})
    assert "more than tensors and plain values" in said({**whole, "meta": {"run": SystemExit(0)}})
    torch.save(whole, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is truncated" in said()
    path.write_bytes(b"")
    assert "is empty" in said()
