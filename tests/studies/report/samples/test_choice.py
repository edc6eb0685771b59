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
from studies.comparison.compare import compare_runs
from studies.report.page import write_page
from studies.report.samples.images import SHARES
from studies.report.samples.predicted_maps import _Colors
from studies.statistics.bootstrap import measure
from transfer.evaluation.files import write_evaluation
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.evaluation.pictures.palette import COLORS, UNLABELLED
from transfer.evaluation.pictures.predictions import write_predictions
from transfer.openmmlab import ops_bridge

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


@pytest.fixture
def mapped(runs: Path) -> Path:
    """The same with predicted maps of both segmentors, the most different of 5 and 9; one calls all of them sky."""
    for recipe, roads in (("b-standard", {}), ("d-smooth", {5: 200, 9: 800})):
        folder = runs / f"{recipe}-resnet18_d-segmentation-0"

        def predict(name: str, roads: dict[int, int] = roads) -> np.ndarray:
            labels = np.zeros(1000, np.int64)
            labels[: roads.get(int(Path(name).stem), 0)] = 1
            return labels.reshape(20, 50)

        write_predictions(folder / "pictures/predictions.zip", segmentations({}).names, predict)
    return runs


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


@pytest.mark.parametrize("kept", ["runs", "mapped"])
def test_no_images_where_none_are_wanted(kept: str, request: pytest.FixtureRequest) -> None:
    text = page(request.getfixturevalue(kept), with_images=False)
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


def rows_of(text: str) -> list[list[str]]:
    """Of every sample of the segmentors, its colours from the upper left to the lower right corner, map by map."""
    found = []
    for sample in text.split('class="sample pair"')[1:]:
        maps = [np.asarray(decode(uri)) for uri in re.findall(r'href="(data:image/png[^"]+)"', sample)]
        assert all(pixels.shape == (20, 50, 3) for pixels in maps)  # as they were predicted
        found.append(["#" + bytes(pixels[place]).hex() for pixels in maps for place in ((0, 0), (10, 0), (-1, -1))])
    return found


def test_predicted_maps_stand_beside_image_and_label_map_the_most_different_first(mapped: Path) -> None:
    text = section(page(mapped))
    sky, road = COLORS[:2]
    truth, all_sky = [sky, road, road], [sky, sky, sky]
    assert rows_of(text) == [[*truth, *all_sky, road, road, sky], [*truth, *all_sky, road, sky, sky]]
    maps = text[text.index('class="sample pair"') :]
    assert re.findall(r'<span class="file">(\d+\.jpg)</span>', maps) == ["9.jpg", "5.jpg"]
    assert re.findall(r"(\d+ %) of the pixels called differently", maps) == ["80 %", "20 %"]
    assert 'aria-label="d-smooth: mIoU 100.0 %; pixels: road 80 %, sky 20 %"' in maps
    assert 'aria-label="label map; pixels: sky 50 %, road 50 %"' in maps
    photographs = re.findall(r'"(data:image/jpeg[^"]+)"', maps)
    assert [round(np.asarray(decode(uri)).mean() / 20) for uri in photographs] == [9, 5]
    for color, name in ((sky, "sky"), (road, "road")):
        assert maps.count(f'style="background:{color}"></span>{name}<') == 2
    assert "no label" not in maps


@pytest.mark.parametrize("what", ["data", "image", "labels"])
def test_what_cannot_be_shown_beside_the_predictions_is_said_to_be_missing(mapped: Path, data: Path, what: str) -> None:
    if what == "data":
        data.rename(data.with_name("elsewhere"))
    elif what == "image":
        (data / "images/9.jpg").unlink()
    else:
        Image.fromarray(np.ones((20, 50), np.uint8)).save(data / "annotations/9.png")
    text = section(page(mapped))
    assert [len(colors) for colors in rows_of(text)] == [6, 6 if what == "data" else 9]
    assert (f"The data folder {data} cannot be reached" if what == "data" else "9.jpg or its label map") in text


def test_pixels_without_a_label_have_their_own_colour(mapped: Path, data: Path) -> None:
    """Image 9 with a stripe that is no class, in the label map and in what was counted."""
    labels = np.repeat(np.array([1, 2, 0], np.uint8), [500, 400, 100]).reshape(20, 50)
    comparison = compare_runs(mapped)
    Image.fromarray(labels).save(data / "annotations/9.png")
    for recipe in ("b-standard", "d-smooth"):
        evaluation = segmentations({})
        evaluation.images[9] = SegmentedImage(np.array([0, 3], np.int32), np.array([500, 400], np.int64))
        write_evaluation(mapped / f"{recipe}-resnet18_d-segmentation-0/evaluation.npz", evaluation)
    text = write_page(comparison, mapped / "report").read_text(encoding="utf-8")
    assert rows_of(text)[0][2] == UNLABELLED
    assert section(text).count("no label<") == 1


def test_rows_of_which_one_keeps_no_maps_are_shown_by_shares(mapped: Path) -> None:
    (mapped / "b-standard-resnet18_d-segmentation-0/pictures/predictions.zip").unlink()
    text = section(page(mapped))
    assert "an older version that kept counts" in text
    assert 'class="sample three"' in text


def test_rows_that_call_all_pixels_alike_say_so(mapped: Path) -> None:
    one, other = sorted(mapped.glob("*/pictures/predictions.zip"))
    one.write_bytes(other.read_bytes())
    assert "They call all pixels of the kept images alike." in section(page(mapped))


@pytest.mark.parametrize("breakage", ["damaged", "more classes"])
def test_a_broken_archive_is_an_error_that_names_it(mapped: Path, breakage: str) -> None:
    path = mapped / "d-smooth-resnet18_d-segmentation-0/pictures/predictions.zip"
    if breakage == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        write_predictions(path, ["images/1.jpg"], lambda _: np.full((20, 50), 2))
    with pytest.raises(UserError, match=f"{re.escape(str(path))} .*{breakage}"):
        page(mapped)


@pytest.mark.parametrize("kept", ["runs", "mapped"])
@pytest.mark.parametrize("what", ["cut image", "cut labels", "program"])
def test_an_image_that_cannot_be_read_costs_no_page(
    kept: str, what: str, request: pytest.FixtureRequest, data: Path
) -> None:
    runs = request.getfixturevalue(kept)
    photographs = sorted(data.rglob("*.jpg")) if what != "cut labels" else sorted((data / "annotations").glob("*.png"))
    assert photographs
    for path in photographs:
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n" if what == "program" else path.read_bytes()[:-30])
    text = section(page(runs))
    assert "cannot be read" in text
    assert ("data:image/jpeg" in text) == (what == "cut labels")  # a detector's have no label map


def test_what_is_wrong_is_hatched_and_nothing_else(mapped: Path) -> None:
    """Image 9: the upper half is sky, the lower road; one row calls all of it sky, the other 16 of 20 lines road."""
    sample = section(page(mapped)).split('class="sample pair"')[1]
    pictures = sample.split("<figure>")[1:]
    strokes = [re.findall(r"M(\d+) (\d+)l1-1", picture) for picture in pictures]
    lines = [{int(y) - 1 for _, y in each} for each in strokes]
    assert lines == [set(), set(), set(range(10, 20)), {*range(10), *range(16, 20)}]
    assert [len(each) for each in strokes] == [0, 0, 500, 700]


def test_among_many_classes_those_in_dispute_have_colours() -> None:
    classes = [f"class {place}" for place in range(30)]
    alike = np.repeat(np.arange(20), 50).reshape(20, 50)
    one, other = alike.copy(), alike.copy()
    one[0, 0], other[0, 0] = 28, 29  # two pixels of a thousand, which all other classes outnumber
    colors = _Colors([alike, one, other], classes, one != other)
    given = {key.words: key.color for key in colors.legend}
    assert {"class 28", "class 29"} <= given.keys()
    assert given["class 28"] != given["class 29"]
    calm = _Colors([alike, one, other], classes, np.zeros_like(one, bool))
    assert not {"class 28", "class 29"} & {key.words for key in calm.legend}
