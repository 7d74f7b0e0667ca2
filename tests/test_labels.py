"""Label sets: what they refuse, and which classes are left-right pairs."""

from __future__ import annotations

import pytest

from carseg.errors import OptionError
from carseg.labels import label_set


@pytest.mark.parametrize(
    ("classes", "background", "message"),
    [
        ([], None, "has 0 classes"),
        ([f"c{i}" for i in range(256)], None, "has 256 classes; 1 to 255"),
        (["car", "car"], None, "names a class twice"),
        (["car"], 1, "outside 0..0"),
        (["car"], -1, "outside 0..0"),
    ],
)
def test_what_cannot_be_stored_in_a_mask_is_refused(classes: list[str], background: int | None, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        label_set("mine", classes, background=background)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_door", "right_door"),
        ("front-left-door", "front-right-door"),
        ("Left Door", "Right Door"),
        ("DOOR_LEFT", "DOOR_RIGHT"),
        ("FrontLeftDoor", "FrontRightDoor"),
        ("leftMirror", "rightMirror"),
        ("door.left", "door.right"),
        ("door (left)", "door (right)"),
    ],
)
def test_pairs_are_found_however_they_are_written(left: str, right: str) -> None:
    labels = label_set("mine", ["background", right, "hood", left])
    assert labels.pairs == ((3, 1),)
    assert labels.flipped == (0, 3, 2, 1)
    assert labels.unpaired == ()


@pytest.mark.parametrize("gap", " _-.")
def test_a_class_without_a_side_has_a_color_of_its_own_beside_its_namesakes(gap: str) -> None:
    names = (name.replace(" ", gap) for name in ("front left door", "front right door", "front door", "hood"))
    labels = label_set("mine", ["background", *names])
    assert len(set(labels.colors)) == 5


def test_a_word_that_only_holds_left_is_no_side() -> None:
    labels = label_set("mine", ["background", "cleft", "cright"])
    assert (labels.pairs, labels.unpaired) == ((), ())
