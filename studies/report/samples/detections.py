"""Images on which two detectors disagree most, with what each of them found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from backbones.errors import UserError, not_none
from studies.report.figures.svg import Drawing
from studies.report.samples.images import WIDTH, Panel, RunPair, Sample, most_different, photograph, read_photograph
from transfer.catalogue import SINGLE_SCALE
from transfer.evaluation.files import read_detections
from transfer.evaluation.matching import Matches, above, best_threshold, f1_score, is_right, match
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage


def draw_detections(pair: RunPair) -> tuple[Sequence[Sample], str]:
    """Samples by the difference in F1 at IoU 0.5, each row from the score on at which its own F1 over all is highest.

    Raises:
        UserError: A file of per-image results is damaged.
    """
    both = [read_detections(each.run.path.with_name(SINGLE_SCALE)) for each in pair.runs]
    if both[0].names != both[1].names:
        return (), "The two rows were tested on different images."
    matches = [_matches(evaluation) for evaluation in both]
    scores = [
        [f1_score(*each) for each in zip(evaluation.images, matched, strict=True)]
        for evaluation, matched in zip(both, matches, strict=True)
    ]
    differences = [None if one is None else other - one for one, other in zip(*scores, strict=True)]
    samples: list[Sample] = []
    for index in most_different(differences):
        try:
            image = read_photograph(not_none(pair.root) / both[0].names[index])
        except UserError as error:
            return samples, str(error)
        panels = [
            Panel(f"{name}: F1 {score[index]:.2f}", picture)
            for name, score, picture in zip(
                pair.names, scores, _panels(image, index, both, matches, f"{pair.at}detection-{index}"), strict=True
            )
        ]
        samples.append(Sample(Path(both[0].names[index]).name, tuple(panels)))
    return samples, ""


def _matches(evaluation: DetectionEvaluation) -> list[Matches]:
    matches = [match(image) for image in evaluation.images]
    threshold = best_threshold(evaluation.images, matches)
    return [above(threshold, *pair) for pair in zip(evaluation.images, matches, strict=True)]


def _panels(
    image: Image.Image, index: int, both: Sequence[DetectionEvaluation], matches: Sequence[Sequence[Matches]], name: str
) -> list[Markup]:
    """Both rows' boxes over one photograph, which is on the page once."""
    scale, uri = WIDTH / image.width, photograph(image)
    size = (WIDTH, max(1, round(image.height * scale)))
    panels = []
    for place, (evaluation, matched) in enumerate(zip(both, matches, strict=True)):
        drawing = Drawing(*size)
        if place == 0:
            drawing.add("image", href=uri, width=size[0], height=size[1], id=name)
        else:
            drawing.add("use", href=f"#{name}")
        _draw_boxes(drawing, evaluation.images[index], matched[index], evaluation.classes, scale)
        panels.append(drawing.render(_describe(evaluation.images[index], matched[index])))
    return panels


def _draw_boxes(
    drawing: Drawing, image: EvaluatedImage, matched: Matches, classes: Sequence[str], scale: float
) -> None:
    for index in matched.missed:
        _box(drawing, scale * image.boxes[index], "missed", f"missed: {classes[image.labels[index]]}")
    shown = zip(matched.shown, matched.counted, is_right(image, matched), strict=True)
    for index, counted, right in reversed(list(shown)):
        if counted:
            words = f"{classes[image.found_labels[index]]} {image.scores[index]:.2f}"
            _box(
                drawing,
                scale * image.found_boxes[index],
                "right" if right else "wrong",
                ("" if right else "✗ ") + words,
            )


def _box(drawing: Drawing, box: Sequence[float], kind: str, words: str) -> None:
    left, top, right, bottom = (float(value) for value in box)
    for class_ in ("box under", f"box {kind}"):
        drawing.add("rect", x=left, y=top, width=max(right - left, 1), height=max(bottom - top, 1), class_=class_)
    end = left > 0.6 * drawing.width  # else a long name would leave the image
    place = (right if end else left + 2, max(top - 3, 10) if kind != "missed" else min(bottom + 11, drawing.height - 3))
    drawing.text(place, words, f"tag {kind}", "end" if end else "start")


def _describe(image: EvaluatedImage, matched: Matches) -> str:
    right, counted = int(is_right(image, matched).sum()), int(matched.counted.sum())
    return f"{right} right detections, {counted - right} wrong, {len(matched.missed)} objects missed"
