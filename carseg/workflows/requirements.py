"""What a set of photographs has to show: words such as ``front``, ``left_mirror`` and ``wheel:4``, and what is missing.

A word is one of a car's four sides; one of the eight views; a class; or what several classes are, such as ``door`` or
``front_door``, whose number can be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from carseg.cars import VIEWS
from carseg.errors import OptionError, unknown_name
from carseg.labels import LabelSet, plain_name, without_side
from carseg.workflows.sides import SIDES
from carseg.workflows.wheels import WHEEL, WHEELS

LIDS = ("tailgate", "trunk")  # a car has one of the two, and which one depends on its shape alone

_IN_WORDS = {"front": "the front", "rear": "the rear", "left": "the left side", "right": "the right side"}


@dataclass(frozen=True)
class Requirement:
    """Something that photographs have to show.

    Attributes:
        word: what was asked for, without the number.
        choices: the sides, views, classes or wheels of which so many have to be seen.
        count: how many.
    """

    word: str
    choices: tuple[str, ...]
    count: int = 1

    def missing(self, seen: Collection[str], unnamed: int = 0) -> str:
        """Return what is missing in plain words, "" where nothing is.

        Args:
            seen: the sides, views, classes and wheels that are seen.
            unnamed: how many wheels were seen at least, where fewer can be named.
        """
        found = max(sum(choice in seen for choice in self.choices), unnamed if self.choices == WHEELS else 0)
        if found >= self.count:
            return ""
        if self.count == 1:
            return _in_words(self.word, self.choices)
        several = readable(self.word) + ("" if self.word.endswith("s") else "s")
        text = f"{self.count - found} of {self.count} {several}"
        lacking = [readable(choice) for choice in self.choices if choice not in seen]
        named = len(self.choices) == self.count and len(lacking) == self.count - found
        return f"{text} ({', '.join(lacking)})" if named else text


def parse_requirements(words: str | Iterable[str], labels: LabelSet, *, views: bool) -> tuple[Requirement, ...]:
    """Return what is required.

    Args:
        words: such as ``"front,rear,wheel:4"``, or several such texts.
        labels: the classes of the model.
        views: whether its classes tell the view of a car.

    Raises:
        UnknownNameError: a word stands for nothing that the model tells; the nearest ones are named.
        OptionError: a number is none, or larger than what there is, or the classes do not tell views.
    """
    texts = [words] if isinstance(words, str) else words
    known = _known(labels, views)
    items = [item.strip() for text in texts for item in text.split(",")]
    return tuple(dict.fromkeys(_parse(item, known, labels) for item in items if item))


def readable(name: str) -> str:
    """Return the name of a class, view or wheel as words: ``left mirror``."""
    return re.sub(r"[_-]+", " ", name)


def _parse(item: str, known: dict[str, tuple[str, ...]], labels: LabelSet) -> Requirement:
    word, _, number = item.partition(":")
    choices = {plain_name(name): (name, choices) for name, choices in known.items()}
    if plain_name(word) not in choices:
        if plain_name(word) in map(plain_name, (*SIDES, *VIEWS)):
            raise OptionError(
                f"{word} cannot be required: the classes of {labels.name} do not tell front and rear apart; "
                f"use the model parts, or require one of {', '.join(known)}"
            )
        raise unknown_name("side, view or part to require", word, known)
    name, of = choices[plain_name(word)]
    if not number and ":" not in item:
        return Requirement(name, of)
    if not re.fullmatch(r"[1-9]\d{0,3}", number.strip()):
        raise OptionError(f"{item!r} has no number after its colon: write NAME, or NAME:NUMBER such as wheel:4")
    most = 1 if set(of) <= {*LIDS} else len(of)
    if int(number) > most:
        raise OptionError(
            f"{item!r} can never be met: there is at most {most} of {name} ({', '.join(of[:most])}); require that"
        )
    return Requirement(name, of, int(number))


def _known(labels: LabelSet, views: bool) -> dict[str, tuple[str, ...]]:
    """Return every word with what it stands for."""
    names = [name for i, name in enumerate(labels.classes) if i != labels.background]
    lids = tuple(name for name in names if name in LIDS)
    known: dict[str, tuple[str, ...]] = {name: (name,) for name in (*SIDES, *VIEWS)} if views else {}
    for group in map(_groups, names):
        for word in group:
            known.setdefault(word, tuple(name for name in names if word in _groups(name)))
    known |= {name: lids if name in lids else (name,) for name in names}
    if WHEEL in names and views:
        known |= {WHEEL: WHEELS, **{wheel: (wheel,) for wheel in WHEELS}}
    return known


def _groups(name: str) -> Sequence[str]:
    """Return what a class is one of: ``front_door`` and ``door`` of ``front_left_door``."""
    words = without_side(name).split("_")
    return ["_".join(words[i:]) for i in range(len(words))] if len(words) > 1 or without_side(name) != name else []


def _in_words(word: str, choices: tuple[str, ...]) -> str:
    if word in _IN_WORDS:
        return _IN_WORDS[word]
    if word in VIEWS:
        return f"the view from the {readable(word)}"
    return f"the {readable(word)}" if len(choices) == 1 or choices[0] in LIDS else f"a {readable(word)}"
