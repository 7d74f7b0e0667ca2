"""The label set of a data set, made from the class names that its folder stores, known label sets and class maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from carseg.data.formats._base import Found
from carseg.errors import DataError, OptionError, unknown_name
from carseg.labels import IGNORE, LABEL_SETS, Color, LabelSet, label_set, plain_name

_IGNORED = frozenset(("", "ignore"))  # new names that a class map gives to classes to ignore


def known_labels(labels: str | LabelSet) -> LabelSet:
    """Return a label set by its name, or as it is.

    Raises:
        UnknownNameError: no such label set.
    """
    if isinstance(labels, LabelSet):
        return labels
    if labels not in LABEL_SETS:
        raise unknown_name("label set", labels, LABEL_SETS)
    return LABEL_SETS[labels]


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Return a class map from texts such as ``front_left_door=door``; ``x=`` and ``x=ignore`` ignore the class x.

    Raises:
        OptionError: a text without "=", or two for one class.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals):
            raise OptionError(f"a class map is written OLD=NEW, got {pair!r}")
        if mapping.setdefault(old, new) != new:
            raise OptionError(f"the class map gives {old!r} two names, {mapping[old]!r} and {new!r}")
    return mapping


def named_set(name: str, classes: Sequence[str], colors: Mapping[str, Color]) -> LabelSet:
    """Return the known label set of exactly these classes, else a new one, its background the class "background"."""
    names = [plain_name(c) for c in classes]
    for known in LABEL_SETS.values():
        if names == list(known.classes):
            return known
    background = names.index("background") if "background" in names else None
    spelled = tuple("background" if plain_name(c) == "background" else c for c in classes)
    labels = label_set(name, spelled, background=background)
    if not all(c in colors for c in classes):
        return labels
    return label_set(name, spelled, background=background, colors=tuple(colors[c] for c in classes))


def _by_plain(names: Iterable[str]) -> dict[str, str]:
    """Return names by their plain form, in their order; of two with the same form the first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(plain_name(name), name)
    return found


def settle_classes(
    name: str, parts: Sequence[Found], labels: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """Return the label set of a folder's splits and, for each split, stored value to label id (values to ignore: 255).

    Args:
        name: name of the label set where it is a new one.
        parts: the splits, with ``values``.
        labels: the label set to give, classes matched by name; None: what the folder's own names make.
        mapping: class name to new name; classes of one new name are merged, "" and "ignore" ignore a class.

    Raises:
        UnknownNameError: ``mapping`` names a class that the folder does not have.
        DataError: the folder has a class that ``labels`` lacks.
    """
    names = list(dict.fromkeys(c for part in parts for c in (part.values or {}).values() if c is not None))
    spelled = _by_plain(names)
    new = dict(spelled)
    for part in parts:
        new |= part.maps.get(labels.name if labels else "", {})
    for old, renamed in mapping.items():
        if plain_name(old) not in spelled:
            raise unknown_name("class", old, names)
        new[plain_name(old)] = renamed
    new = {old: "" if plain_name(renamed) in _IGNORED else renamed for old, renamed in new.items() if old in spelled}
    if labels is None:
        # A class that is ignored only by default keeps its place: the known set stays the known set.
        kept = _by_plain(c for c in (new if mapping else spelled).values() if c)
        colors = {c: color for part in parts for c, color in part.colors.items()}
        labels = named_set(name, list(kept.values()), colors)
    ids = {plain_name(c): i for i, c in enumerate(labels.classes)}
    missing = [c for c in dict.fromkeys(new.values()) if c and plain_name(c) not in ids]
    if missing:
        raise DataError(
            f"{name} has classes that the label set {labels.name!r} lacks: {', '.join(missing)}; "
            f"map each to one of {', '.join(labels.classes)} or to 'ignore'"
        )

    def label_id(c: str | None) -> int:
        return ids[plain_name(new[plain_name(c)])] if c is not None and new[plain_name(c)] else IGNORE

    return labels, [{value: label_id(c) for value, c in (part.values or {}).items()} for part in parts]
