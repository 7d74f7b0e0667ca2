"""Images and masks change together, sides swap when an image is mirrored, and the seed decides everything."""

import pytest
import torch
import torch.nn.functional as F

from carseg.data.augment import CHANGES, Augment, parse_augmentation
from carseg.errors import OptionError, UnknownNameError
from carseg.labels import CAMVID, CARPARTS

SIZE = (48, 64)
LEFT, RIGHT = CARPARTS.classes.index("front_left_door"), CARPARTS.classes.index("front_right_door")


def scene(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images of a bright block off the middle on a dark ground, and masks of the block."""
    masks = torch.zeros(count, *SIZE, dtype=torch.uint8)
    masks[:, 10:30, 8:24] = LEFT
    return (masks[:, None] > 0).repeat(1, 3, 1, 1).to(torch.uint8) * 200 + 20, masks


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["flip", "crop", "perspective", "affine", "flip+crop+perspective+affine"])
def test_mask_and_image_move_together(name: str) -> None:
    images, masks = scene(16)
    changed, labels = Augment(name, CARPARTS)(images, masks, SIZE, seeded(0))
    assert not torch.equal(labels, masks.long())
    bright, part, known = changed[:, 0] > 120, (labels == LEFT) | (labels == RIGHT), labels != 255
    assert ((bright == part) | ~known).float().mean() > 0.97  # but for the rim, where one is interpolated
    assert part.any((1, 2)).float().mean() > 0.7


def test_mirroring_swaps_left_and_right() -> None:
    images, masks = scene(32)
    changed, labels = Augment("flip", CARPARTS)(images, masks, SIZE, seeded(1))
    mirrored = changed[:, 0, 20, 50] > 120  # the block is on the other side of the image
    assert 4 < mirrored.sum() < 28
    torch.testing.assert_close(changed[mirrored], images[mirrored].flip(-1).float(), atol=1e-3, rtol=0)
    assert (labels[mirrored].unique() == torch.tensor([0, RIGHT])).all()
    assert (labels[~mirrored].unique() == torch.tensor([0, LEFT])).all()


def test_what_lies_beyond_the_edge_is_ignored() -> None:
    images, masks = scene(32)
    _, labels = Augment("affine", CARPARTS)(images, masks, SIZE, seeded(2))
    assert (labels == 255).any()
    assert set(labels.unique().tolist()) <= {0, LEFT, 255}


def test_none_changes_nothing_and_255_stays() -> None:
    images, masks = scene(2)
    masks[0, 0] = 255
    changed, labels = Augment("none", CARPARTS)(images, masks, SIZE, seeded(0))
    assert torch.equal(changed, images.float()) and torch.equal(labels, masks.long())


def test_jitter_leaves_the_mask_alone_and_stays_in_range() -> None:
    images, masks = scene(16)
    changed, labels = Augment("jitter", CARPARTS)(images, masks, SIZE, seeded(3))
    assert torch.equal(labels, masks.long())
    assert changed.min() >= 0 and changed.max() <= 255 and not torch.equal(changed, images.float())


def test_paste_puts_what_is_no_background_before_another_image() -> None:
    images, masks = scene(32)
    masks[16:] = 0  # grounds without a block, of another brightness
    images[16:] = 120
    masks[16:, :5] = 255
    changed, labels = Augment("paste", CARPARTS)(images, masks, SIZE, seeded(4))
    block = masks[0] == LEFT
    assert (labels[:16, block] == LEFT).all() and (changed[:16, :, 14:26, 12:20] == 220).all()
    moved = (changed[:16, 0, -1, -1] == 120).sum()
    assert 2 < moved < 14  # about half got another ground, some of them one of the same kind
    assert ((changed[:16, 0, 0, 0] == 120) == (labels[:16, 0, 0] == 255)).all()  # with what is unknown about it


def test_backdrop_changes_the_background_alone() -> None:
    images, masks = scene(48)
    changed, labels = Augment("backdrop", CARPARTS)(images, masks, SIZE, seeded(4))
    assert torch.equal(labels, masks.long())
    inside = F.avg_pool2d((masks == LEFT).float(), 3, 1, 1) == 1  # but for the rim
    assert torch.equal(changed.movedim(1, -1)[inside], images.float().movedim(1, -1)[inside])
    outside = (changed[:, :, 0, 0] != images[:, :, 0, 0]).any(1)
    assert 8 < outside.sum() < 24  # a third
    assert changed.min() >= 0 and changed.max() <= 255


@pytest.mark.parametrize("mix", ["paste", "backdrop"])
def test_mixing_needs_a_background(mix: str) -> None:
    with pytest.raises(OptionError, match="background"):
        Augment(f"flip+{mix}", CAMVID)


def test_the_seed_decides() -> None:
    images, masks = scene(4)
    augment = Augment("all", CARPARTS)
    first, again, other = (augment(images, masks, SIZE, seeded(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_output_has_the_networks_size() -> None:
    images, masks = scene(2)
    changed, labels = Augment("none", CARPARTS)(images, masks, (24, 32), seeded(0))
    assert changed.shape == (2, 3, 24, 32) and labels.shape == (2, 24, 32)


def test_names() -> None:
    assert parse_augmentation("none") == frozenset() and parse_augmentation("all") == frozenset(CHANGES)
    assert parse_augmentation("flip+jitter") == {"flip", "jitter"}
    assert parse_augmentation("all+paste") == {*CHANGES, "paste"}
    with pytest.raises(UnknownNameError, match="did you mean flip"):
        parse_augmentation("flp")


def test_jitter_keeps_an_image_recognizable() -> None:
    grey = torch.full((256, 3, *SIZE), 100, dtype=torch.uint8)
    images, _ = Augment("jitter", CARPARTS)(grey, torch.zeros(256, *SIZE, dtype=torch.uint8), SIZE, seeded(0))
    brightness = images.mean((1, 2, 3)) / 100
    assert 0.58 < brightness.min() < 0.75 and 1.25 < brightness.max() < 1.5
