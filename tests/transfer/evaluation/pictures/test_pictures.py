"""Pictures of evaluations: the numbers behind them, and that they show what they should, whatever the images are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pytest import CaptureFixture, approx, fixture, mark, raises

from backbones.errors import UserError
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation
from transfer.openmmlab import ops_bridge

NAMES = ("a.png", "b.png", "c.png")
ODD = r"$\frac{a} name that is far too long to be written out"


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def pixels_of(path: Path) -> NDArray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def count(path: Path, color: str) -> int:
    return int((pixels_of(path) == tuple(bytes.fromhex(color[1:]))).all(axis=2).sum())


@given(scores=st.lists(st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1), max_size=30))
def test_the_chosen_are_the_best_median_and_worst(scores: list[float | None]) -> None:
    from transfer.evaluation.pictures.examples import choose

    chosen = choose(
        scores, [index % 4 for index in range(len(scores))], [f"{index:02}" for index in range(len(scores))]
    )
    known = [score for score in scores if score is not None]
    everything = [index for indices in chosen.values() for index in indices]
    assert len(set(everything)) == len(everything)
    assert all(scores[index] is not None for index in everything)
    assert all(0 < len(indices) <= 3 for indices in chosen.values())
    assert len(everything) == (min(len(known), 2) if len(known) < 3 else 3 * min(3, len(known) // 3))
    each = len(chosen.get("best", []))
    assert [scores[index] for index in chosen.get("best", [])] == sorted(known, reverse=True)[:each]
    if len(known) > 1:
        assert [scores[index] for index in chosen["worst"]] == sorted(known)[:each]
    if len(known) > 2:
        start = each + (len(known) - 3 * each + 1) // 2
        assert [scores[index] for index in chosen["median"]] == sorted(known, reverse=True)[start : start + each]


@settings(deadline=None)
@given(hits=st.lists(st.booleans(), max_size=30), missed=st.integers(0, 5))
def test_the_drawn_curve_has_the_averages_beside_it(hits: list[bool], missed: int) -> None:
    from transfer.evaluation.pictures.curves import outline
    from transfer.evaluation.voc_ap import VocCurve

    found = np.cumsum(np.array(hits, int))
    objects = max(int(sum(hits)) + missed, 1)
    curve = VocCurve(found, found / np.arange(1, len(hits) + 1), objects)
    recall, precision = outline(curve)
    assert recall.shape == precision.shape
    steps = np.diff(recall)
    assert (steps >= 0).all()
    average = curve.average_precision()
    assert float((steps * precision[:-1]).sum()) == approx(average.area)
    reached = [precision[recall >= level].max(initial=0) for level in np.arange(0.0, 1.1, 0.1)]
    assert float(np.mean(reached)) == approx(average.eleven_points)


def seen_by(kind: str, color: str) -> NDArray:
    """CIELAB of a colour in normal vision, or as Machado et al. (2009) simulate a colour blindness of severity 1."""
    simulations = {
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    rgb = np.array(list(bytes.fromhex(color[1:]))) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(simulations[kind]) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.array(to_xyz) @ linear / (0.95047, 1, 1.08883)
    fx, fy, fz = (np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def closest(colors: tuple[str, ...]) -> float:
    return min(
        float(np.linalg.norm(seen_by(kind, one) - seen_by(kind, other)))
        for kind in ("normal", "protan", "deutan")
        for place, one in enumerate(colors)
        for other in colors[:place]
    )


def test_colors_stay_apart_for_the_color_blind() -> None:
    from transfer.evaluation.pictures.palette import COLORS, OTHER, UNLABELLED

    assert closest((*COLORS, OTHER, UNLABELLED)) > 20
    assert closest(("#9c7a00", "#5a9a00")) < 20  # an ordinary pair that does not


def test_classes_keep_their_colors_while_there_are_enough() -> None:
    from transfer.evaluation.pictures.palette import COLORS, OTHER, assign_colors, colorize

    assert assign_colors(np.eye(4)) == list(COLORS[:4])
    sizes = np.diag(np.arange(150))
    colors = assign_colors(sizes)
    assert colors[149] == COLORS[0]
    assert colors[140] == COLORS[9]
    assert set(colors[:140]) == {OTHER}
    painted = colorize(np.array([[0, 3, 255]]), COLORS[:4])
    assert painted[0, 1].tolist() == list(bytes.fromhex(COLORS[3][1:]))
    assert painted[0, 2].tolist() == [255, 255, 255]


def one_image(label: int, found_label: int, difficult: bool = False) -> EvaluatedImage:
    box = np.array([[20, 20, 70, 60]], np.float32)
    return EvaluatedImage(
        box, np.array([label]), np.array([difficult]), box + 2, np.array([found_label]), np.array([0.9], np.float32)
    )


def draw_all_detections(root: Path, images: list[EvaluatedImage], classes: tuple[str, ...] = ("cat", ODD)) -> Path:
    from transfer.evaluation.detection import voc_curves
    from transfer.evaluation.pictures.detection import detection_pictures
    from transfer.evaluation.pictures.jobs import draw_all

    evaluation = DetectionEvaluation(classes, NAMES[: len(images)], images)
    done = draw_all(root / "pictures", lambda: detection_pictures(evaluation, voc_curves(evaluation), root))
    assert "failed" not in done
    return root / "pictures"


@mark.parametrize(
    ("image", "right", "wrong"),
    [(one_image(0, 0), True, False), (one_image(0, 1), False, True), (one_image(1, 1), True, False)],
)
def test_boxes_say_whether_they_are_right(image: EvaluatedImage, right: bool, wrong: bool, tmp_path: Path) -> None:
    from transfer.evaluation.pictures.palette import RIGHT, WRONG

    Image.new("RGB", (100, 80), "#808080").save(tmp_path / "a.png")
    pictures = draw_all_detections(tmp_path, [image])
    legend = 60  # pixels of a line there
    assert (count(pictures / "best.png", RIGHT) > 3 * legend) == right
    assert (count(pictures / "best.png", WRONG) > 3 * legend) == wrong


def make_image(path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 4), dtype=np.uint8)
    noise[..., 3] = 255
    images = {
        "gray": noise[..., 0],
        "opaque RGBA": noise,
        "noise": noise[..., :3],
        "panorama": noise[:100, ..., :3],
        "tower": noise[..., :3][:, :60],
        "tiny": noise[:2, :3, :3],
    }
    Image.fromarray(images[kind]).save(path)


@mark.parametrize("kind", ["gray", "opaque RGBA", "noise", "panorama", "tower", "tiny"])
def test_images_of_any_kind_are_shown(kind: str, tmp_path: Path) -> None:
    for name in NAMES:
        make_image(tmp_path / name, kind)
    images = [one_image(0, 0), one_image(0, 1), one_image(1, 0, difficult=True)]
    for file in draw_all_detections(tmp_path, images).iterdir():
        assert file.stat().st_size < 500_000


def test_nothing_found_and_nothing_to_find(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    empty = np.zeros((0, 4), np.float32)
    nothing = EvaluatedImage(empty, *(np.zeros(0, kind) for kind in (int, bool)), empty, np.zeros(0, int), np.zeros(0))
    assert {file.name for file in draw_all_detections(tmp_path, [nothing]).glob("*")} == set()
    unfound = one_image(0, 0)._replace(found_boxes=empty, found_labels=np.zeros(0, int), scores=np.zeros(0))
    names = {file.name for file in draw_all_detections(tmp_path, [unfound]).iterdir()}
    assert names == {"best.png", "per_class.png", "precision_recall.png", "confusion.png"}


@mark.parametrize("classes", [1, 8, 9, 61])
def test_precision_recall_of_few_and_of_many(classes: int, tmp_path: Path) -> None:
    from transfer.evaluation.pictures.curves import draw_curves
    from transfer.evaluation.voc_ap import VocCurve

    curve = VocCurve(np.array([1, 1, 2]), np.array([1, 0.5, 2 / 3]), 4)
    draw_curves(tmp_path / "curves.png", {f"{ODD[: place % 40]} {place}": curve for place in range(classes)})
    height, width, _ = pixels_of(tmp_path / "curves.png").shape
    assert (width, height) == ((860, 560) if classes <= 8 else (1250, 90 + 245 * (2 if classes == 9 else 12)))


@mark.parametrize("classes", [2, 10, 150])
def test_segmentation_shows_where_it_is_wrong(classes: int, tmp_path: Path) -> None:
    import torch

    from transfer.evaluation.pictures.jobs import Maps, draw_all
    from transfer.evaluation.pictures.palette import WRONG
    from transfer.evaluation.pictures.segmentation import segmentation_pictures
    from transfer.segmentation_metric import count_pixels

    draw = np.random.default_rng(0)
    maps = {}
    for place, name in enumerate(NAMES):
        make_image(tmp_path / name, "gray")
        label = np.kron(draw.choice([255, *range(classes)], (15, 20)), np.ones((100, 100), int))
        mistaken = (label + 1) % classes
        maps[name] = Maps(label, np.where((draw.random(label.shape) < place / 3) | (label > classes), mistaken, label))
    counted = [count_pixels(*map(torch.from_numpy, maps[name]), classes) for name in NAMES]
    evaluation = SegmentationEvaluation(tuple(f"{ODD} {k}" for k in range(classes)), NAMES, counted)
    folder = tmp_path / "pictures"
    done = draw_all(folder, lambda: segmentation_pictures(evaluation, maps.__getitem__, tmp_path))
    drawn = ["best.png", "median.png", "worst.png", "per_class.png", "confusion.png", "predictions.zip"]
    assert done == {"drawn": drawn}
    assert all(file.stat().st_size < 500_000 for file in folder.iterdir())
    shares = [count(folder / f"{kind}.png", WRONG) for kind in ("best", "median", "worst")]
    if classes == 150:  # with fewer, the colour also is that of a class
        assert shares[0] < shares[1] < shares[2]


def test_wrong_pixels_are_marked_where_there_is_a_label() -> None:
    from transfer.evaluation.pictures.jobs import Maps
    from transfer.evaluation.pictures.palette import WRONG
    from transfer.evaluation.pictures.segmentation import show_wrong_pixels

    maps = Maps(np.array([[0, 1, 255, 1]]), np.array([[0, 0, 1, 1]]))
    shown = show_wrong_pixels(np.zeros((1, 4, 3), np.uint8), maps, 2)
    assert (shown[0] == tuple(bytes.fromhex(WRONG[1:]))).all(axis=1).tolist() == [False, True, False, False]


def test_a_picture_that_fails_costs_only_itself(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    from transfer.evaluation.pictures.jobs import draw_all

    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / ".best.png.x.part").touch()  # what a kill has left

    def fail(path: Path) -> None:
        raise ZeroDivisionError("nothing there")

    jobs: Any = [("a.png", fail), ("b.png", lambda path: path.parent.mkdir(exist_ok=True) or path.touch())]
    done = draw_all(tmp_path / "pictures", lambda: jobs)
    assert done == {"drawn": ["b.png"], "failed": {"a.png": "ZeroDivisionError: nothing there"}}
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == ["b.png"]
    assert "a.png could not be drawn (ZeroDivisionError: nothing there)" in capsys.readouterr().err
    assert draw_all(tmp_path / "pictures", lambda: 1 / 0)["failed"] == {
        "pictures": "ZeroDivisionError: division by zero"
    }

    def full(path: Path) -> None:
        raise UserError("cannot write: No space left on device")

    with raises(UserError, match="No space"):
        draw_all(tmp_path / "pictures", lambda: [("a.png", full)])
