import pytest
import torch
from test_lgrnet_teacher import checkpoint, images

from lgrnet.checkpoint import load_checkpoint, save_checkpoint
from lgrnet.halve import halve, main


def test_the_file_is_half_as_large_and_says_nearly_the_same(tmp_path):
    network = checkpoint(tmp_path / "whole.pt", (1, 6, 12))
    assert main([str(tmp_path / "whole.pt"), "-o", str(tmp_path / "new" / "half.pt")]) == 0
    sizes = [path.stat().st_size for path in (tmp_path / "whole.pt", tmp_path / "new" / "half.pt")]
    assert sizes[1] < 0.65 * sizes[0]  # records have names, too
    halved, meta = load_checkpoint(tmp_path / "new" / "half.pt")
    assert meta["stored_in"] == "fp16"
    assert {each.dtype for each in halved.parameters()} == {torch.float32}
    with torch.no_grad():
        said, expected = halved(images()), network(images())
    assert (said.au_logits - expected.au_logits).abs().max() < 0.01
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(
            halved.state_dict()[name], tensor, rtol=2**-11, atol=2**-25, msg=name
        )


def test_what_is_lost_is_told(tmp_path):
    network = checkpoint(tmp_path / "whole.pt", (1, 12))
    with torch.no_grad():
        for each in network.parameters():
            each.fill_(8.0)
        network.heads.logit.bias[0] = 8 * (1 + 2**-11)  # halfway between 8 and the next float16
    save_checkpoint(tmp_path / "eights.pt", network)
    assert halve(tmp_path / "eights.pt", tmp_path / "half.pt") == pytest.approx(2**-11, rel=1e-3)


def test_weights_that_float16_cannot_hold_are_refused(tmp_path, caplog):
    network = checkpoint(tmp_path / "whole.pt", (1, 12))
    with torch.no_grad():
        network.heads.logit.bias[1] = 1e5
    save_checkpoint(tmp_path / "large.pt", network)
    assert main([str(tmp_path / "large.pt"), "-o", str(tmp_path / "half.pt")]) == 2
    assert "heads.logit.bias holds 100000, more than float16 can" in caplog.text
    assert not (tmp_path / "half.pt").exists()


def test_no_checkpoint_no_file(tmp_path, caplog):
    assert main([str(tmp_path / "none.pt"), "-o", str(tmp_path / "half.pt")]) == 2
    assert "none.pt: no such file" in caplog.text
