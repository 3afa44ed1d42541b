import errno
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from lgrnet import checkpoint
from lgrnet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from lgrnet.finder.network import FinderNetwork
from lgrnet.finder.weights import save_finder
from lgrnet.network.config import model_config
from lgrnet.network.model import LGRNet


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = model_config(
        "edge",
        aus=[1, 6, 7],
        input_size=64,
        stem_stride=2,
        stem_widths=[4, 4],
        feature_widths=[4, 4, 4],
        refine_widths=[4, 4, 4],
        align_hidden=4,
        head_hidden=4,
    )
    return LGRNet(config)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "model.pt"
    save_checkpoint(path, model, {"epoch": 3, "optimiser": {"step": torch.tensor(7)}})
    return path


def rewrite(path, **changes):
    content = torch.load(path, weights_only=True)
    content.update(changes)
    torch.save({key: value for key, value in content.items() if value is not None}, path)


def test_round_trip(model, saved):
    loaded, meta = load_checkpoint(saved)
    assert meta["epoch"] == 3
    assert meta["optimiser"]["step"].item() == 7
    assert loaded.config == model.config
    assert not loaded.training
    image = torch.randn(2, 3, 176, 176)
    with torch.no_grad():
        for ours, theirs in zip(model.eval()(image), loaded(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_the_file_holds_nothing_of_ours_but_plain_values(saved):
    content = torch.load(saved, weights_only=True)
    assert content["format"] == "lgrnet-checkpoint-1"
    assert set(content) == {"format", "config", "model", "meta"}
    assert not any(key.endswith(("mean_face", "axis", "ascending")) for key in content["model"])


def test_the_bytes_do_not_tell_the_name_of_the_file(model, tmp_path):
    for name in ("a.pt", "another.pt"):
        save_checkpoint(tmp_path / "new" / name, model)
    files = [path.read_bytes() for path in sorted((tmp_path / "new").iterdir())]
    assert len(files) == 2
    assert files[0] == files[1]


def test_a_failed_save_leaves_the_old_file_and_no_other(model, saved, monkeypatch):
    before = saved.read_bytes()

    def fail(content, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(saved, model)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_full_disc_and_ctrl_c_are_told_as_what_they_are(model, saved, monkeypatch, stop):
    class Full(io.BytesIO):
        def write(self, part):
            if self.tell() > 20_000:
                raise stop
            return super().write(part)

    before = saved.read_bytes()
    monkeypatch.setattr(Path, "open", lambda *_: Full())
    with pytest.raises(type(stop)) as caught:
        save_checkpoint(saved, model)
    monkeypatch.undo()
    if isinstance(stop, OSError):
        assert str(caught.value) == f"[Errno 28] No space left: '{saved}'"
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "no.pt")
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "empty.pt").touch()
    with pytest.raises(CheckpointError, match="is empty"):
        load_checkpoint(tmp_path / "empty.pt")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="truncated or not a PyTorch checkpoint"):
        load_checkpoint(saved)


def test_flipped_bytes(saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        header = next(i for i in archive.infolist() if i.filename.endswith("data.pkl"))
    start = header.header_offset + 200
    content[start : start + 300] = bytes(300)
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        load_checkpoint(saved)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_one_flipped_bit_of_the_weights(saved, share):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        largest = max(archive.infolist(), key=lambda record: record.file_size)
        value = archive.read(largest)
    start = bytes(content).index(value)
    content[start + round(share * (len(value) - 1))] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged \(.*checksum"):
        load_checkpoint(saved)


def test_not_a_checkpoint(tmp_path):
    path = tmp_path / "note.pt"
    path.write_text("not weights")
    with pytest.raises(CheckpointError, match="truncated or not a PyTorch checkpoint"):
        load_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "some other zip")
    with pytest.raises(CheckpointError, match=r"note\.pt is no PyTorch checkpoint.*readme\.txt"):
        load_checkpoint(path)


class Malicious:
    def __reduce__(self):
        return (print, ("code ran",))


def test_pickled_code_is_refused(tmp_path, capsys):
    path = tmp_path / "code.pt"
    torch.save({"format": "lgrnet-checkpoint-1", "config": Malicious()}, path)
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        load_checkpoint(path)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_somebody_elses_checkpoint(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of lgrnet"):
        load_checkpoint(path)


def test_other_version(saved):
    rewrite(saved, format="lgrnet-checkpoint-9")
    with pytest.raises(
        CheckpointError, match=r"'lgrnet-checkpoint-9'.*reads 'lgrnet-checkpoint-1'"
    ):
        load_checkpoint(saved)


def test_a_face_finder_is_none(tmp_path):
    path = tmp_path / "finder.pt"
    save_finder(path, FinderNetwork(widths=(4, 4, 4, 4, 4), depths=(1, 1, 1, 1), features=4), {})
    with pytest.raises(CheckpointError, match=r"finder\.pt is a face finder.*export\.finder"):
        load_checkpoint(path)


@pytest.mark.parametrize("key", ["config", "model", "meta"])
def test_incomplete_content(saved, key):
    rewrite(saved, **{key: None})
    with pytest.raises(CheckpointError, match=f"lacks .*{key}"):
        load_checkpoint(saved)


def test_unusable_configuration(saved, model):
    rewrite(saved, config={**model.config.to_dict(), "depth": 3})
    with pytest.raises(CheckpointError, match="depth: unknown setting"):
        load_checkpoint(saved)
    rewrite(saved, config="paper")
    with pytest.raises(CheckpointError, match="expected a table"):
        load_checkpoint(saved)


def test_weights_of_another_network(saved, model):
    rewrite(saved, config={**model.config.to_dict(), "relation": "none"})
    with pytest.raises(CheckpointError, match="do not fit"):
        load_checkpoint(saved)
    rewrite(saved, config=model.config.to_dict(), model=[1, 2])
    with pytest.raises(CheckpointError, match="do not fit"):
        load_checkpoint(saved)
