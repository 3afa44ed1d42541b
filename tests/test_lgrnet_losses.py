import math

import pytest
import torch

from lgrnet.training.losses import (
    MISSING,
    alignment_loss,
    au_weights,
    dice_loss,
    intensity_loss,
    joint_loss,
    recognition_loss,
)

ONE = torch.ones(1)
GOLDEN_LOGITS = torch.logit(torch.tensor([[0.9], [0.2], [0.6], [0.1]]))
GOLDEN_LABELS = torch.tensor([[1], [0], [1], [0]])

# Published for BP4D, parts 1 and 2 (JAA-Net's repository).
BP4D_WEIGHTS = (
    *(1.3451, 1.6916, 1.2479, 0.5613, 0.43292, 0.43562),
    *(0.457, 0.54098, 1.4068, 0.7221, 1.4918, 1.667),
)


def face(left=(50.0, 50.0), right=(110.0, 50.0)):
    """Return landmarks (1, 49, 2) with the eye centres there and the rest at (80, 90)."""
    points = torch.tensor([80.0, 90.0]).repeat(1, 49, 1)
    points[:, 19:25], points[:, 25:31] = torch.tensor(left), torch.tensor(right)
    return points


def test_dice_over_the_batch():
    loss = dice_loss(GOLDEN_LOGITS, GOLDEN_LABELS, ONE, over="batch")
    assert loss.item() == pytest.approx(0.0521327, abs=1e-6)


def test_dice_of_each_sample():
    loss = dice_loss(GOLDEN_LOGITS, GOLDEN_LABELS, ONE)
    assert loss.item() == pytest.approx(0.0299294, abs=1e-6)


def test_dice_is_zero_for_a_perfect_answer_and_never_negative():
    logits = torch.tensor([[100.0], [-100.0]])
    labels = torch.tensor([[1], [0]])
    for over in ("sample", "batch"):
        assert dice_loss(logits, labels, ONE, over=over).item() == pytest.approx(0, abs=1e-6)
        assert dice_loss(-logits, labels, ONE, over=over).item() > 0.4


def test_dice_smoothing():
    loss = dice_loss(torch.zeros(1, 1), torch.ones(1, 1), ONE, smooth=0.5)
    assert loss.item() == pytest.approx(1 - 1.5 / 1.75)


def test_recognition_by_hand():
    p = torch.tensor([[0.9, 0.2], [0.6, 0.3]])
    labels = torch.tensor([[1, 0], [0, 1]])
    weights = torch.tensor([0.5, 1.5])
    first = -(math.log(0.9) + math.log(0.4)) / 2
    second = -(math.log(0.8) + math.log(0.3)) / 2
    expected = (0.5 * first + 1.5 * second) / 2
    loss = recognition_loss(torch.logit(p), labels, weights)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_recognition_is_stable_far_out():
    loss = recognition_loss(torch.tensor([[200.0]]), torch.tensor([[0]]), ONE)
    assert loss.item() == pytest.approx(200)


def test_missing_labels_take_no_part():
    torch.manual_seed(0)
    logits = torch.randn(3, 2, requires_grad=True)
    labels = torch.tensor([[1, MISSING], [0, 1], [MISSING, MISSING]])
    weights = torch.tensor([0.7, 1.3])
    for loss in (recognition_loss, dice_loss):
        expected = [
            loss(logits[:2, :1], labels[:2, :1], weights[:1]),
            loss(logits[1:2, 1:], labels[1:2, 1:], weights[1:]),
        ]
        actual = loss(logits, labels, weights)
        torch.testing.assert_close(actual, sum(expected) / 2)
        (gradient,) = torch.autograd.grad(actual, logits)
        assert (gradient[labels == MISSING] == 0).all()
        assert (gradient[labels != MISSING] != 0).all()


def test_missing_labels_take_no_part_in_the_dice_of_the_batch():
    logits = torch.cat([GOLDEN_LOGITS, torch.tensor([[3.0]])])
    labels = torch.cat([GOLDEN_LABELS, torch.tensor([[MISSING]])])
    loss = dice_loss(logits, labels, ONE, over="batch")
    assert loss.item() == pytest.approx(0.0521327, abs=1e-6)


@pytest.mark.parametrize("over", ["sample", "batch"])
def test_a_batch_without_labels_has_no_loss(over):
    logits, labels = torch.randn(2, 3, requires_grad=True), torch.full((2, 3), MISSING)
    weights = torch.ones(3)
    loss = recognition_loss(logits, labels, weights) + dice_loss(logits, labels, weights, over=over)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_alignment_by_hand():
    target = face()
    predicted = target.clone()
    predicted[0, 3] += torch.tensor([3.0, 4.0])
    predicted[0, 40] += torch.tensor([0.0, -5.0])
    assert alignment_loss(predicted, target).item() == pytest.approx((25 + 25) / (2 * 60**2))


def test_alignment_is_averaged_over_faces_by_their_own_size():
    target = torch.cat([face(), face(right=(80.0, 90.0))])  # 60 and 50 px apart
    loss = alignment_loss(target + torch.tensor([1.0, 0.0]), target)
    assert loss.item() == pytest.approx((49 / (2 * 3600) + 49 / (2 * 2500)) / 2)


def test_alignment_survives_coinciding_eyes():
    target = torch.zeros(1, 49, 2)
    assert alignment_loss(target + 1, target).isfinite()


def test_joint_loss_adds_up():
    target = face().repeat(4, 1, 1)
    losses = joint_loss(
        GOLDEN_LOGITS, target + 2, GOLDEN_LABELS, target, ONE, align_weight=0.25, dice_over="batch"
    )
    assert losses.dice.item() == pytest.approx(0.0521327, abs=1e-6)
    expected = losses.recognition + losses.dice + 0.25 * losses.alignment
    torch.testing.assert_close(losses.total, expected)
    losses = joint_loss(GOLDEN_LOGITS, target + 2, GOLDEN_LABELS, target, ONE)
    expected = losses.recognition + losses.dice + 0.5 * losses.alignment
    torch.testing.assert_close(losses.total, expected)


@pytest.mark.parametrize("over", ["sample", "batch"])
def test_joint_loss_hands_on_what_dice_is_to_be(over):
    """To that of the local branch, too."""
    torch.manual_seed(0)
    target = face().repeat(4, 1, 1)
    logits, local, labels = torch.randn(4, 3), torch.randn(4, 3), torch.randint(0, 2, (4, 3))
    weights = torch.tensor([0.5, 1.0, 1.5])
    given = {"smooth": 0.3, "dice_over": over}
    alone = joint_loss(logits, target, labels, target, weights, **given)
    both = joint_loss(logits, target, labels, target, weights, **given, local_logits=local)
    expected = dice_loss(logits, labels, weights, 0.3, over)
    torch.testing.assert_close(alone.dice, expected)
    torch.testing.assert_close(both.dice, expected + dice_loss(local, labels, weights, 0.3, over))


def test_intensities_by_hand():
    intensity = torch.tensor([[0.5, 4.0], [3.0, 1.0]])
    target = torch.tensor([[0.0, 1.0], [3.0, float("nan")]])
    weights = torch.tensor([0.5, 1.5])
    first = (0.5 * 0.5**2 + 0) / 2
    second = 3 - 0.5  # linear above 1; the unknown one takes no part
    expected = (0.5 * first + 1.5 * second) / 2
    assert intensity_loss(intensity, target, weights).item() == pytest.approx(expected)


def test_joint_loss_adds_intensities_where_there_are_some():
    target = face().repeat(4, 1, 1)
    given = (GOLDEN_LOGITS, target + 2, GOLDEN_LABELS, target, ONE)
    without = joint_loss(*given)
    strengths = (torch.ones(4, 1), torch.full((4, 1), 3.0))
    with_them = joint_loss(*given, intensity=strengths, intensity_weight=0.1)
    assert without.intensity.item() == 0
    assert with_them.intensity.item() == pytest.approx(1.5)
    torch.testing.assert_close(with_them.total, without.total + 0.15)


def test_weights_reproduce_the_published_ones():
    frames = 20_000
    counts = [round(0.28 * frames / weight) for weight in BP4D_WEIGHTS]
    labels = (torch.arange(frames)[:, None] < torch.tensor(counts)).long()
    torch.testing.assert_close(au_weights(labels), torch.tensor(BP4D_WEIGHTS), rtol=0, atol=1e-3)


def test_weights_sum_to_n_and_skip_missing_labels():
    labels = torch.tensor([[1, 0], [0, 1], [MISSING, 0], [MISSING, 0]])
    weights = au_weights(labels)  # rates 1/2 and 1/4
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 4 / 3]))


def test_weights_of_an_au_that_never_occurs():
    with pytest.raises(ValueError, match=r"columns \[1\] never occur"):
        au_weights(torch.tensor([[1, 0], [0, MISSING]]))
    labels = torch.tensor([[1, 0, 0, MISSING], [0, 0, 1, 0]])
    with pytest.raises(ValueError, match=r"shows AU 4, 17: .*--set 'model.aus=\[1, 12\]'$"):
        au_weights(labels, (1, 4, 12, 17))
