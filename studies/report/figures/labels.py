"""Where words stand in a figure so that none covers another, nor a point."""

from __future__ import annotations

from collections.abc import Sequence

from studies.report.figures.svg import Point

LETTER, LINE = 6.2, 12.0  # about how wide and high a letter is, in units
ALL_NAMED, COVERED = 10, 0.15  # so many points have names in any case; others may cover that share of theirs
Box = tuple[float, float, float, float]  # left, top, right, bottom


def apart(places: Sequence[float], distance: float, limit: float) -> list[float]:
    """Ascending places moved until none is nearer to the next than that: down, and up again from the limit."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + distance) if moved else place)
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - distance
    return moved


def shortened(name: str, longest: int) -> str:
    """A name of at most that many letters."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def place_labels(points: Sequence[Point], texts: Sequence[str], inside: Box) -> list[tuple[Point, str] | None]:
    """For each point where its words stand, and their anchor: of the places around it that which covers least.

    None among many points for one that has no room for them.
    """
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    chosen: list[tuple[Point, str] | None] = []
    for (x, y), text in zip(points, texts, strict=True):
        places: list[tuple[Point, str]] = [
            *(((x + 8, y + down), "start") for down in (4, -6, 14)),
            *(((x - 8, y + down), "end") for down in (4, -6, 14)),
            ((x, y - 11), "middle"),
            ((x, y + 20), "middle"),
        ]
        boxes = [_box(place, anchor, text) for place, anchor in places]
        costs = [sum(_overlap(box, other) for other in taken) + 3 * _outside(box, inside) for box in boxes]
        best = costs.index(min(costs))
        if len(points) > ALL_NAMED and costs[best] > COVERED * LETTER * LINE * len(text):
            chosen.append(None)
        else:
            taken.append(boxes[best])
            chosen.append(places[best])
    return chosen


def _box(place: Point, anchor: str, text: str) -> Box:
    width = LETTER * len(text)
    left = place[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, place[1] - LINE + 3, left + width, place[1] + 3


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)


def _outside(box: Box, inside: Box) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _overlap(box, inside)
