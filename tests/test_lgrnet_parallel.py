"""Training in two processes comes out as training in one; here on CPUs, over gloo."""

import copy
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState
from test_lgrnet_train import weights
from tiny_corpus import write_tiny_corpus
from torch import distributed, nn

from lgrnet.data.batches import training_batches
from lgrnet.experiment import fold_run, load_experiment
from lgrnet.train import main
from lgrnet.training.losses import joint_loss
from lgrnet.training.parallel import SummedBatchNorm2d, Wrapped, open_accelerator, share_norms
from lgrnet.training.trainer import Trainer

CPU = torch.device("cpu")
MEAN = "optim.average_from=0.5"  # of three steps, the last two


def batch():
    """Return inputs and labels of 6 faces, two AUs; unknown labels are not shared equally."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 3, 4, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[0, 1], [1, 9], [9, 1], [1, 9], [9, 0], [0, 9]])
    landmarks = torch.rand(6, 49, 2, generator=generator) * 100
    intensity = torch.rand(6, 2, generator=generator) * 5
    intensity[labels == 9] = torch.nan
    return maps, labels, landmarks, intensity


class Toy(nn.Module):
    """A batch norm and a linear layer for each output."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.norm = nn.BatchNorm2d(3).double()
        with torch.no_grad():
            self.norm.weight.uniform_(0.5, 2)
            self.norm.bias.uniform_(-1, 1)
        self.out = nn.Linear(48, 2 + 98 + 2).double()

    def forward(self, maps):
        said = self.out(self.norm(maps).sin().flatten(1))
        return said[:, :2], 50 + 10 * said[:, 2:100].unflatten(1, (49, 2)), said[:, 100:]


def gradients(model, share, over):
    maps, labels, landmarks, intensity = (each[share] for each in batch())
    logits, points, strength = model(maps)
    loss = joint_loss(
        logits, points, labels, landmarks, torch.tensor([0.5, 1.5]),
        dice_over=over, intensity=(strength, intensity), local_logits=2 * logits,
    )  # fmt: skip
    loss.total.backward()
    return {
        "losses": torch.stack(loss).detach(),
        **{name: each.grad for name, each in model.named_parameters()},
        **dict(model.named_buffers()),
    }


def worker(rank, folder, over):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    model = share_norms(Toy(), CPU)
    assert isinstance(model.norm, SummedBatchNorm2d)
    found = {each: gradients(share_norms(Toy(), CPU), slice(rank, None, 2), each) for each in over}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_shares_have_the_gradients_of_the_whole(tmp_path):
    torch.multiprocessing.spawn(worker, (str(tmp_path), ("sample", "batch")), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for over in ("sample", "batch"):
        whole = gradients(Toy(), slice(None), over)
        for name, wanted in whole.items():
            a, b = first[over][name], second[over][name]
            if name == "losses" or "running" in name:
                assert torch.equal(a, b), name
            mean = torch.stack([a, b]).double().mean(0)
            torch.testing.assert_close(mean, wanted.double(), rtol=1e-5, atol=1e-7, msg=name)


def test_alone_nothing_is_shared():
    assert type(share_norms(Toy(), CPU).norm) is nn.BatchNorm2d


@pytest.fixture
def twins(monkeypatch):
    """Let this process be one of two whose shares are the same: sums are twice what it has."""
    monkeypatch.setattr("lgrnet.training.parallel.process_count", lambda: 2)
    monkeypatch.setattr(distributed, "all_reduce", lambda total: total.mul_(2))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_of_two_equal_shares_are_those_of_the_share_taken_twice(twins, dtype, momentum):
    """Far from zero, where sums in bfloat16 would lose the variance; and judging changes none."""
    torch.manual_seed(2)
    alone = nn.BatchNorm2d(3, momentum=momentum)
    with torch.no_grad():
        alone.weight.uniform_(0.5, 2)
        alone.bias.uniform_(-1, 1)
    shared = share_norms(nn.Sequential(copy.deepcopy(alone)), CPU)[0]
    assert type(shared) is SummedBatchNorm2d
    near = {torch.float32: 1e-5, torch.bfloat16: 2**-7}[dtype]
    for step in range(3):
        maps = (torch.randn(5, 3, 8, 8) + 20 + step).to(dtype)
        maps[:, 2] = 0  # a channel that says nothing must not become NaN
        found, wanted = shared(maps), alone(torch.cat([maps, maps]).float())[:5]
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), wanted, rtol=near, atol=near)
        for name, value in alone.named_buffers():
            torch.testing.assert_close(shared.get_buffer(name), value, rtol=1e-4, atol=1e-5)
    before = copy.deepcopy(shared.state_dict())
    torch.testing.assert_close(shared.eval()(maps), alone.eval()(maps), rtol=near, atol=near)
    assert all(torch.equal(value, before[name]) for name, value in shared.state_dict().items())


def test_on_gpus_norms_are_pytorchs_own(twins):
    norm = share_norms(Toy(), torch.device("cuda")).norm
    assert type(norm) is nn.SyncBatchNorm
    assert set(norm.state_dict()) == set(Toy().norm.state_dict())


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Return the path of a tiny experiment on a tiny corpus: three steps of SGD."""
    folder = tmp_path_factory.mktemp("parallel")
    write_tiny_corpus(folder / "disfa", "disfa", frames=2)
    path = folder / "tiny.toml"
    path.write_text(
        f'out = "{folder / "runs"}"\ntraining_data = "stripes"\n[model]\npreset = "edge"\n'
        "aus = [1, 2, 4, 6, 9, 12, 25, 26]\ninput_size = 64\nstem_widths = [4, 8]\n"
        "feature_widths = [8, 8, 8]\nrefine_widths = [8, 8, 8]\nalign_hidden = 16\n"
        f'head_hidden = 8\n[data]\nroot = "{folder / "disfa"}"\ncorpus = "disfa"\nworkers = 0\n'
        "limit = 24\n[optim]\nepochs = 1\nbatch = 8\n"
    )
    return path


def leave_off_after_a_step(experiment, out):
    """Train for one step in this process, as a run does that is killed then."""
    settings = load_experiment(experiment, [f"out={out}", "save_every=1", MEAN])
    trainer = Trainer(fold_run(settings, 1), CPU, progress=False)
    trainer.model.train()
    trainer._claim(trainer.experiment.out)
    trainer._update(next(iter(training_batches(trainer.faces, 8, 0, workers=0))))
    trainer.step = 1
    trainer._save_state()


def test_two_processes_train_as_one_on_the_whole_batch(experiment, tmp_path):
    common = [str(experiment), "--fold", "1", "--no-progress", "--threads", "1"]
    common += ["--set", "save_every=1", "--set", MEAN]
    assert main([*common, "--set", f"out={tmp_path / 'one'}"]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "-m", "lgrnet.train"]
    # They go on where one process was stopped, after the first of three steps.
    leave_off_after_a_step(experiment, tmp_path / "two")
    before = (tmp_path / "two" / "lgrnet" / "fold1" / "state.pt").read_bytes()
    subprocess.run([*launcher, *common, "--set", f"out={tmp_path / 'two'}"], check=True)
    assert (tmp_path / "two" / "lgrnet" / "fold1" / "state.pt").read_bytes() != before
    one, two = (tmp_path / name / "lgrnet" / "fold1" for name in ("one", "two"))
    # Two steps later. Rounding then grows: this network, at random weights, is a chaotic system.
    for file in ("last.pt", "average.pt"):
        found, wanted = weights(two / file), weights(one / file)
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-5, atol=1e-5, msg=name)
    # Each judges half of the test people's faces.
    found, wanted = (json.loads((each / "last.json").read_text()) for each in (two, one))
    assert found["frames"] == 18
    for key, row in wanted["aus"].items():
        other = found["aus"][key]
        assert other.pop("auc") == pytest.approx(row.pop("auc"), abs=0.1)  # of 16 close answers
        assert other == row
    assert found["landmark_error"] == pytest.approx(wanted["landmark_error"], rel=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(experiment, tmp_path, monkeypatch):
    pair = SimpleNamespace(device=CPU, is_main_process=True, process_index=0, num_processes=2)
    monkeypatch.setattr("lgrnet.training.trainer.open_accelerator", lambda *_: pair)
    run = fold_run(load_experiment(experiment, ["optim.batch=5", f"out={tmp_path}"]), 1)
    with pytest.raises(ValueError, match="cannot be shared equally by 2 processes"):
        Trainer(run, CPU, progress=False)


def test_one_gpu_for_two_processes_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ValueError, match="give --device cuda, and each takes its own"):
        open_accelerator(torch.device("cuda:1"), "fp32")


@pytest.mark.parametrize(
    ("precision", "inside"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_a_network_computes_in_the_precision_that_was_asked_for(precision, inside):
    AcceleratorState._reset_state(reset_partial_state=True)  # another precision may be set there
    try:
        network, seen = nn.Linear(3, 2), []
        network.register_forward_hook(lambda *given: seen.append(given[2].dtype))
        accelerator = open_accelerator(CPU, precision)
        assert accelerator.device == CPU
        said = accelerator.prepare(Wrapped(network))(torch.ones(1, 3))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert seen == [inside]
    assert said.dtype == network.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("device", "precision", "told"),
    [("cpu", "no", None), ("cuda", "fp16", None), ("cuda:1", "fp16", "cuda:1")],
)
def test_the_device_is_the_one_that_was_asked_for(device, precision, told, monkeypatch):
    """Accelerate reads a number from the environment; without one it takes the first, or its own.

    By itself it takes a GPU where there is one.
    """
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "as it was")  # which is restored afterwards
    monkeypatch.setattr("accelerate.Accelerator", lambda **how: how)
    asked = precision.replace("no", "fp32")
    how = open_accelerator(torch.device(device), asked)
    assert how == {"cpu": device == "cpu", "mixed_precision": precision}
    assert os.environ["ACCELERATE_TORCH_DEVICE"] == (told or "as it was")


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r'pip install .* -e "\.\[train\]"'):
        open_accelerator(CPU, "fp32")
