"""Ranges of activations of which int8 uses seven bits, for processors that add two products in 16 bits.

Such a sum of products of eight and eight bits overflows; with seven bits in the activations none does.
"""

from __future__ import annotations

from collections.abc import Mapping

from carseg.hub import Range


def leave_a_bit_unused(ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Return ranges twice as wide, of which the activations use half of the codes.

    The codes begin at the lowest value or at 0, which is always included.
    """
    return {place: (min(low, 0.0), 2 * high - min(low, 0.0)) for place, (low, high) in ranges.items()}
