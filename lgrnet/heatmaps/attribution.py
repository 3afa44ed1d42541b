"""What moves an AU's answer: cells of the face, and other AUs through the skip gates.

For Fig. 4 of the paper, which shows "the outputs of F&R module" with mutual assistance in red and
exclusion in blue, and does not say how maps of many channels became one with a sign. Here a map is
the integrated gradient (Sundararajan et al., "Axiomatic Attribution for Deep Networks", 2017) of
the AU's logit over the shared feature F: it has a sign and a cell for each cell of F, takes in all
that reaches the AU (its patch, the other AUs through the recurrence, the whole face through
fusion), and its cells add up to what the face has moved the logit by.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from lgrnet.data.batches import to_input
from lgrnet.network.au_geometry import muscle_order
from lgrnet.network.build import Network
from lgrnet.network.model import LGRNet, Prediction
from lgrnet.network.relation import SkipGates

STEPS = 16
"""Points of the path over which gradients are averaged."""


def relevance(
    model: Network, face: np.ndarray, aus: Sequence[int], steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Find out how much each cell of F has moved the logits of AUs.

    The path leads to F from a face without structure: every cell the average cell of this face. The
    patches stay where the landmarks of the face put them.

    Args:
        model: LGRNet, or JÂA-Net, whose local heads are explained: its final one lets no gradient
            into the AUs' branches. In evaluation mode.
        face: A crop, (176, 176, 3) uint8, BGR.
        aus: FACS numbers, of the model's.
        steps: Points of the path.

    Returns:
        (len(aus), h, w) float32, positive where a cell speaks for the AU, negative where against;
        and what each logit has moved by along the path, (len(aus),), to which a map adds up but for
        the error of the sum over finitely many points.
    """
    device = next(model.parameters()).device
    image = to_input(torch.from_numpy(face)[None].to(device))
    columns = [model.config.aus.index(au) for au in aus]
    with torch.no_grad(), _capture(model.stem) as seen:
        landmarks = model(image).landmarks
    feature = seen[0]  # F, (1, C, h, w)
    plain = feature.mean((2, 3), keepdim=True).expand_as(feature)
    shares = (torch.arange(steps, device=device) + 0.5) / steps  # middles of equal parts
    path = plain + shares[:, None, None, None] * (feature - plain)  # (steps, C, h, w)
    path = path.contiguous(memory_format=torch.channels_last).requires_grad_()
    with _replace(model, path, landmarks):
        logits = _branch_logits(model(image.expand(steps, -1, -1, -1)))
    maps = []
    for column in columns:
        (slope,) = torch.autograd.grad(logits[:, column].sum(), path, retain_graph=True)
        maps.append((slope.mean(0) * (feature - plain)[0]).sum(0))  # (h, w)
    ends = torch.cat([plain, feature])
    with torch.no_grad(), _replace(model, ends, landmarks):
        before, after = _branch_logits(model(image.expand(2, -1, -1, -1)))
    return torch.stack(maps).cpu().numpy(), (after - before)[columns].cpu().numpy()


def _branch_logits(said: Prediction) -> Tensor:
    return said.au_logits if said.local_logits is None else said.local_logits


@torch.no_grad()
def gate_matrix(model: LGRNet, faces: np.ndarray) -> np.ndarray:
    """Average the skip gates f_j (eq. 8): how far each AU listens to each other one.

    Args:
        model: LGRNet with its skip-BiLSTM, in evaluation mode.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Returns:
        (n, n) float64 in (0, 1), AUs in muscle order: row t, column j is the mean of f_j over faces
        and channels where AU t listens to AU j; NaN on the diagonal. Below the diagonal are the
        gates of the recurrence from forehead to chin, above it those of the way back.

    Raises:
        ValueError: The network has no skip gates.
    """
    downward, upward = _require_gates(model)
    n = len(model.config.aus)
    matrix = np.full((n, n), np.nan)

    def keep(place: Sequence[int]) -> Callable[[nn.Module, tuple, Tensor], None]:
        def hook(_: nn.Module, inputs: tuple, gates: Tensor) -> None:
            source = inputs[0]
            for later, value in enumerate(gates.mean((0, 2)).tolist(), source + 1):
                matrix[place[later], place[source]] = value

        return hook

    order = list(range(n))
    device = next(model.parameters()).device
    hooks = [
        downward.register_forward_hook(keep(order)),
        upward.register_forward_hook(keep(order[::-1])),
    ]
    try:
        model(to_input(torch.from_numpy(faces).to(device)))
    finally:
        for hook in hooks:
            hook.remove()
    return matrix


@torch.no_grad()
def gate_effects(model: LGRNet, faces: np.ndarray) -> np.ndarray:
    """Measure what each AU's skip gates do to the answers about the others.

    Args:
        model: LGRNet with its skip-BiLSTM, in evaluation mode.
        faces: Crops, (N, 176, 176, 3) uint8, BGR.

    Returns:
        (n, n) float64, AUs in muscle order: row t, column j is by how much the logit of AU t is
        higher than with the gates of AU j shut (f_j = 0 for all that listen to it, both ways), mean
        over faces. Positive is assistance, negative exclusion. The diagonal is NaN: what AU j
        itself learns when others do not hear it is no relation.

    Raises:
        ValueError: The network has no skip gates.
    """
    directions = _require_gates(model)
    n = len(model.config.aus)
    device = next(model.parameters()).device
    image = to_input(torch.from_numpy(faces).to(device))
    order = [model.config.aus.index(au) for au in gate_order(model)]
    whole = model(image).au_logits[:, order]
    effects = np.full((n, n), np.nan)
    for source in range(n):
        hooks = [
            gates.register_forward_hook(_shut(step))
            for gates, step in zip(directions, (source, n - 1 - source), strict=True)
        ]
        try:
            changed = (whole - model(image).au_logits[:, order]).mean(0)
        finally:
            for hook in hooks:
                hook.remove()
        effects[:, source] = changed.cpu().numpy()
    np.fill_diagonal(effects, np.nan)
    return effects


def _shut(step: int) -> Callable[[nn.Module, tuple, Tensor], Tensor]:
    """Make a hook that closes the gates of one step."""
    return lambda _module, inputs, gates: gates * (inputs[0] != step)


def _require_gates(model: Network) -> tuple[SkipGates, SkipGates]:
    """Return the gates of both directions, downward first."""
    relation = model.relation if isinstance(model, LGRNet) else None
    if relation is None or relation.downward.gates is None or relation.upward.gates is None:
        raise ValueError(
            f"relation = {model.config.relation!r} has no skip gates: give a network with "
            "relation = 'skip_bilstm'"
        )
    return relation.downward.gates, relation.upward.gates


def gate_order(model: LGRNet) -> tuple[int, ...]:
    """Tell the AUs of the rows and columns of :func:`gate_matrix`."""
    return muscle_order(model.config.aus)


@contextmanager
def _capture(module: nn.Module) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _replace(model: Network, feature: Tensor, landmarks: Tensor) -> Iterator[None]:
    """Let the network see another F, and place its patches by given landmarks."""
    hooks = [
        model.stem.register_forward_hook(lambda _module, _inputs, _output: feature),
        model.patches.register_forward_pre_hook(
            lambda _module, _inputs: (landmarks.expand(len(feature), -1, -1),)
        ),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
