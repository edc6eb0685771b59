"""A share of a data set: every group gives its part, and the draw is that of the names."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.data.folders.drawing_lots import draw_share, share_size

NAMED = st.lists(st.tuples(st.text(min_size=1), st.integers(0, 4)), min_size=1, unique_by=lambda pair: pair[0])


@settings(max_examples=60, deadline=None)
@given(named=NAMED, share=st.floats(0.01, 0.99), seed=st.integers(0, 3))
def test_every_group_gives_its_part(named: list[tuple[str, int]], share: float, seed: int) -> None:
    names, groups = map(list, zip(*named, strict=True))
    chosen = draw_share(names, groups, share, seed)
    assert chosen.sum() == share_size(len(names), share) == max(1, math.floor(len(names) * share + 1e-9))
    sizes, drawn = Counter(groups), Counter(group for group, is_in in zip(groups, chosen, strict=True) if is_in)
    assert all(abs(drawn[group] - sizes[group] * share) <= 1 + 1e-6 for group in sizes)


@settings(max_examples=30, deadline=None)
@given(named=NAMED, share=st.floats(0.01, 0.99))
def test_the_order_of_the_images_is_nothing_to_it(named: list[tuple[str, int]], share: float) -> None:
    def drawn(pairs: list[tuple[str, int]]) -> set[str]:
        names, groups = map(list, zip(*pairs, strict=True))
        return {name for name, is_in in zip(names, draw_share(names, groups, share, 0), strict=True) if is_in}

    assert drawn(named) == drawn(named[::-1])


def test_another_seed_draws_others_and_most_of_a_smaller_share_are_in_a_larger() -> None:
    names = [f"image{number}" for number in range(1000)]
    groups = [number % 7 for number in range(1000)]
    first, second, larger = (draw_share(names, groups, *how) for how in ((0.1, 0), (0.1, 1), (0.2, 0)))
    assert (first & second).sum() < 30
    assert (first & ~larger).sum() < 60
