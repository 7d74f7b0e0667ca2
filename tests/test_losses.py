"""Losses against their definitions, and in the cases that break losses."""

import math

import pytest
import torch
import torch.nn.functional as F

from carseg.errors import UnknownNameError
from carseg.training.losses import LOSSES, deep_supervision, inverse_frequency, make_loss, soft_cross_entropy

torch.manual_seed(0)
LOGITS = torch.randn(2, 4, 6, 5)
TARGET = torch.randint(0, 4, (2, 6, 5))


@pytest.mark.parametrize("name", LOSSES)
def test_right_answers_cost_little_and_wrong_ones_more(name: str) -> None:
    loss = make_loss(name, torch.ones(4))
    right = F.one_hot(TARGET, 4).movedim(-1, 1) * 20.0
    assert loss(right, TARGET) < 0.01 < loss(-right, TARGET)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_change_nothing(name: str) -> None:
    loss = make_loss(name, torch.ones(4))
    target = TARGET.clone()
    target[:, :2] = 255
    changed = LOGITS.clone()
    changed[:, :, :2] += 100 * torch.randn(2, 4, 2, 5)
    torch.testing.assert_close(loss(changed, target), loss(LOGITS, target))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_with_gradients_whatever_the_labels(name: str, dtype: torch.dtype) -> None:
    for target in (torch.full_like(TARGET, 255), torch.zeros_like(TARGET), TARGET):
        logits = (LOGITS * 50).to(dtype).requires_grad_()
        loss = make_loss(name, torch.ones(4))(logits, target)
        loss.backward()
        assert loss.dtype == torch.float32 and loss.isfinite() and logits.grad.isfinite().all()


def test_cross_entropies_are_torchs() -> None:
    weights = torch.tensor([1.0, 2.0, 3.0, 0.5])
    torch.testing.assert_close(make_loss("ce")(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET))
    torch.testing.assert_close(
        make_loss("weighted-ce", weights)(LOGITS, TARGET), F.cross_entropy(LOGITS, TARGET, weights)
    )


def test_focal_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(LOSSES["focal"](LOGITS, TARGET, gamma=0.0), F.cross_entropy(LOGITS, TARGET))


def test_dice_by_hand() -> None:
    target = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.log(torch.tensor([0.75, 0.25])).view(1, 2, 1, 1).expand(1, 2, 1, 4)
    # hits 1.5 and 0.5, predicted 3 and 1, labelled 2 and 2; one is added above and below
    expected = 1 - ((1.5 + 1) / (2.5 + 1) + (0.5 + 1) / (1.5 + 1)) / 2
    assert make_loss("dice")(logits, target).item() == pytest.approx(expected, abs=1e-6)


def test_lovasz_is_the_jaccard_loss_at_hard_predictions() -> None:
    predicted = torch.tensor([[[0, 0, 0, 1]]])
    logits = F.one_hot(predicted, 2).movedim(-1, 1) * 100.0
    target = torch.tensor([[[0, 0, 1, 1]]])
    assert make_loss("lovasz")(logits, target).item() == pytest.approx(((1 - 2 / 3) + (1 - 1 / 2)) / 2, abs=1e-5)


def test_ohem_looks_at_the_hard_pixels() -> None:
    logits = torch.zeros(1, 2, 1, 32)
    logits[0, 0, 0, 1:] = 10.0  # all but one pixel are easy
    target = torch.zeros(1, 1, 32, dtype=torch.long)
    assert make_loss("ohem")(logits, target).item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(-10))) / 2, abs=1e-4
    )


def test_supervision_weighs_outputs_of_any_size() -> None:
    small = F.avg_pool2d(LOGITS, 2)
    upsampled = F.interpolate(small, size=(6, 5), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(LOGITS, TARGET) + 0.4 * F.cross_entropy(upsampled, TARGET)
    torch.testing.assert_close(deep_supervision(LOSSES["ce"], (LOGITS, small), (1.0, 0.4), TARGET), expected)


def test_certain_probabilities_cost_what_labels_cost() -> None:
    logits, target = torch.randn(2, 4, 5, 6), torch.randint(4, (2, 5, 6))
    certain = torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float()
    torch.testing.assert_close(soft_cross_entropy(logits, certain), make_loss("ce")(logits, target))


def test_rare_classes_weigh_more() -> None:
    weights = inverse_frequency(torch.tensor([900, 99, 1, 0]))
    assert weights[0] < weights[1] < weights[2] and weights.mean().item() == pytest.approx(1)


def test_an_unknown_loss_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean focal"):
        make_loss("focl")


def test_tversky_minds_what_is_missed_more_than_what_is_too_much() -> None:
    target = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.log(torch.tensor([0.75, 0.25])).view(1, 2, 1, 1).expand(1, 2, 1, 4)
    # hits 1.5 and 0.5, too much 1.5 and 0.5, missed 0.5 and 1.5; one is added above and below
    scores = (1.5 + 1) / (1.5 + 0.3 * 1.5 + 0.7 * 0.5 + 1), (0.5 + 1) / (0.5 + 0.3 * 0.5 + 0.7 * 1.5 + 1)
    assert make_loss("tversky")(logits, target).item() == pytest.approx(1 - sum(scores) / 2, abs=1e-6)


def test_focal_as_published() -> None:
    logits = torch.log(torch.tensor([0.75, 0.25])).view(1, 2, 1, 1)
    expected = 0.25**2 * -math.log(0.75)
    assert make_loss("focal")(logits, torch.zeros(1, 1, 1, dtype=torch.long)).item() == pytest.approx(expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("target", [TARGET, TARGET.clamp(max=1), torch.full_like(TARGET, 255)])
def test_dice_and_cross_entropy_are_added(target: torch.Tensor, layout: torch.memory_format) -> None:
    target = target.clone()
    target[:, :2] = 255
    both, summed = (LOGITS.clone(memory_format=layout).requires_grad_() for _ in range(2))
    loss, expected = (
        make_loss("dice+ce")(both, target),
        make_loss("dice")(summed, target) + make_loss("ce")(summed, target),
    )
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(both.grad, summed.grad)


def test_ohem_takes_pixels_below_70_percent() -> None:
    probability = torch.tensor([0.5, 0.6, 0.69, 0.71, *[0.99] * 28])
    logits = torch.stack([probability.log(), (1 - probability).log()])[None, :, None]
    target = torch.zeros(1, 1, 32, dtype=torch.long)
    expected = -(math.log(0.5) + math.log(0.6) + math.log(0.69)) / 3
    assert make_loss("ohem")(logits, target).item() == pytest.approx(expected, abs=1e-5)


def test_class_weights_are_enets() -> None:
    weights = inverse_frequency(torch.tensor([75, 25]))
    expected = torch.tensor([1 / math.log(1.02 + 0.75), 1 / math.log(1.02 + 0.25)])
    torch.testing.assert_close(weights, expected / expected.mean())


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_classes_that_are_not_there_take_no_part(name: str) -> None:
    logits = F.one_hot(TARGET.clamp(max=1), 2).movedim(-1, 1) * 2.0
    more = torch.cat([logits, torch.full((2, 2, 6, 5), -50.0)], 1)
    torch.testing.assert_close(make_loss(name)(more, TARGET.clamp(max=1)), make_loss(name)(logits, TARGET.clamp(max=1)))
