"""The images that the page shows: which, why, and what when they cannot be shown."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backbones.errors import UserError
from transfer import ops_bridge
from transfer.bootstrap import measure
from transfer.compare import compare_runs
from transfer.evaluated import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.evaluation_files import write_evaluation
from transfer.report.page import write_page
from transfer.report.samples import SHARES

ops_bridge.install()  # the measures of a detector need it

COUNT = 12


def detections(found: set[int]) -> DetectionEvaluation:
    """A cat in each image, which is found in some and taken for a dog elsewhere."""
    box = np.array([[8, 8, 40, 30]], np.float32)
    images = [
        EvaluatedImage(
            box, np.array([0]), np.array([False]), box + 1, np.array([0 if index in found else 1]), np.array([0.9])
        )
        for index in range(COUNT)
    ]
    return DetectionEvaluation(("cat", "dog"), tuple(f"images/{index}.jpg" for index in range(COUNT)), images)


def segmentations(right: dict[int, int]) -> SegmentationEvaluation:
    """Images of two halves, 500 pixels of each class; of the second class so many are right, elsewhere all."""
    images = []
    for index in range(COUNT):
        share = right.get(index, 500)
        cells = {0: 500, 2: 500 - share, 3: share}
        pairs = [pair for pair, pixels in cells.items() if pixels]
        images.append(SegmentedImage(np.array(pairs, np.int32), np.array([cells[pair] for pair in pairs], np.int64)))
    return SegmentationEvaluation(("sky", "road"), tuple(f"images/{index}.jpg" for index in range(COUNT)), images)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs with label maps that count from 1."""
    root = tmp_path / "data"
    labels = np.repeat(np.array([1, 2], np.uint8), 500).reshape(20, 50)
    for index in range(COUNT):
        for folder, pixels, ending in (
            ("images", np.full((20, 50, 3), 20 * index, np.uint8), "jpg"),
            ("annotations", labels, "png"),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{index}.{ending}")
    return root


@pytest.fixture
def runs(tmp_path: Path, data: Path, add_run: Callable[..., Path]) -> Path:
    """Both tasks of two rows that disagree on images 3 and 7."""
    root = tmp_path / "runs"
    for recipe, found, right in (
        ("b-standard", {0, 3}, {3: 100, 7: 0}),
        ("d-smooth", {0, 3, 7}, {3: 450}),
    ):
        for task, evaluation in (("detection", detections(found)), ("segmentation", segmentations(right))):
            measured = measure(evaluation, np.ones((1, COUNT), np.int32))
            values = tuple(float(value[0]) for value in measured.values())
            path = add_run(root, task, recipe, values, data={"root": str(data), "fingerprint": "f"})
            write_evaluation(path / "evaluation.npz", evaluation)
    return root


def page(root: Path, **options: Any) -> str:
    return write_page(compare_runs(root), root / "report", **options).read_text(encoding="utf-8")


def section(text: str) -> str:
    return text[text.index('<section id="samples">') : text.index('<section id="all">')]


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def test_only_images_on_which_the_rows_differ_the_most_different_first(runs: Path) -> None:
    text = section(page(runs))
    files = re.findall(r'<span class="file">(\d+\.jpg)</span>', text)
    assert files == ["7.jpg", "7.jpg", "3.jpg"]  # detection: 7; segmentation: 7, of which nothing was right, then 3
    assert "✗ dog 0.90" in text
    assert "missed: cat" not in text  # a box that is there but misnamed takes its object
    assert "b-standard: F1 0.00" in text
    assert "d-smooth: F1 1.00" in text


def test_the_photographs_are_those_of_the_data_and_each_is_there_once(runs: Path) -> None:
    text = section(page(runs))
    photographs = re.findall(r'href="(data:image/jpeg[^"]+)"', text)
    shades = [round(np.asarray(decode(uri)).mean() / 20) for uri in photographs]
    assert shades == [7, 7, 3]
    assert text.count("<use ") == 1


def test_regions_have_the_colour_of_their_share(runs: Path) -> None:
    maps = [np.asarray(decode(uri)) for uri in re.findall(r'href="(data:image/png[^"]+)"', section(page(runs)))]
    assert len(maps) == 4
    colors = [["#" + bytes(pixels[place, 100]).hex() for place in (10, -10)] for pixels in maps]
    # Upper half: all right. Lower half: 0 of 500 and 500 of 500 in image 7, 100 and 450 of 500 in image 3.
    assert colors == [[SHARES[4], SHARES[0]], [SHARES[4], SHARES[4]], [SHARES[4], SHARES[1]], [SHARES[4], SHARES[4]]]


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_images_that_cannot_be_shown_are_said_to_be_missing(runs: Path, data: Path, what: str) -> None:
    if what == "gone":
        data.rename(data.with_name("elsewhere"))
        text = section(page(runs))
        assert text.count(f"The data folder {data} cannot be reached from here") == 2
    else:  # a label map that is not the one of the test
        Image.fromarray(np.ones((20, 50), np.uint8)).save(data / "annotations" / "7.png")
        text = section(page(runs))
        assert "as it was in the test, is not there" in text
    assert "image/png" not in text


def test_no_images_where_none_are_wanted(runs: Path) -> None:
    text = page(runs, with_images=False)
    assert "asked to hold no images" in text
    assert "data:image" not in text


def test_without_results_per_image_it_says_so(runs: Path) -> None:
    (runs / "d-smooth-resnet18_d-detection-0" / "evaluation.npz").unlink()
    assert "No seed of b-standard and d-smooth has evaluation.npz" in section(page(runs))


def test_a_broken_file_is_an_error_that_names_it(runs: Path) -> None:
    comparison = compare_runs(runs)
    broken = runs / "d-smooth-resnet18_d-segmentation-0" / "evaluation.npz"
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(UserError, match=re.escape(str(broken))):
        write_page(comparison, runs / "report")
