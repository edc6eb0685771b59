"""The teacher computes what it computes alone, in the student's order of classes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from pytest import MonkeyPatch, mark, raises
from torch import Tensor

from backbones.bundles.contract import IMAGENET_MEAN, IMAGENET_STD
from backbones.data.color import identity_color, random_color
from backbones.errors import UserError
from backbones.files import sha256_file
from backbones.models import Classifier
from backbones.models.mobilenet import MobileNetV1
from backbones.training.teacher import load_teacher, load_teachers

CPU = torch.device("cpu")
SIDE = 32
CLASSES = ("class0", "class1", "class2")
Maker = Callable[..., tuple[Path, Classifier]]

CONTRACTS = {
    "imagenet": {},
    "minus one to one": {"mean": (127.5,) * 3, "std": (127.5,) * 3},
    "caffe": {"mean": IMAGENET_MEAN[::-1], "std": (1.0, 1.0, 1.0), "channel_order": "BGR"},
    "unequal BGR": {"mean": (10.0, 20.0, 30.0), "std": (20.0, 40.0, 80.0), "channel_order": "BGR"},
}


def images() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8))


@mark.parametrize("name", CONTRACTS)
def test_computes_what_it_computes_alone(make_bundle_file: Maker, name: str) -> None:
    contract = CONTRACTS[name]
    path, alone = make_bundle_file(**contract)
    teacher = load_teacher(path, CLASSES, SIDE, CPU)
    pixels = images().double()
    if contract.get("channel_order") == "BGR":
        pixels = pixels[..., [2, 1, 0]]
    mean, std = contract.get("mean", IMAGENET_MEAN), contract.get("std", IMAGENET_STD)
    normalised = ((pixels - torch.tensor(mean).double()) / torch.tensor(std).double()).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = alone.double()(normalised)
    logits = teacher.logits(teacher.input(images(), identity_color(2)))
    torch.testing.assert_close(logits.double(), expected, rtol=1e-4, atol=1e-4)
    assert logits.std() > 0.01


def test_the_students_colours_reach_it(make_bundle_file: Maker) -> None:
    teacher = load_teacher(make_bundle_file()[0], CLASSES, SIDE, CPU)
    plain = teacher.input(images(), identity_color(2))
    changed = teacher.input(images(), random_color(2, np.random.default_rng(0)))
    assert not torch.allclose(plain, changed, atol=0.1)


@mark.parametrize("order", list(permutations(CLASSES)))
def test_permuted_classes_give_permuted_logits(make_bundle_file: Maker, order: tuple[str, ...]) -> None:
    path, alone = make_bundle_file(classes=order)
    teacher = load_teacher(path, CLASSES, SIDE, CPU)
    pixels = teacher.input(images(), identity_color(2))
    with torch.no_grad():
        own = alone(pixels)
    logits = teacher.logits(pixels)
    for place, name in enumerate(CLASSES):
        torch.testing.assert_close(logits[:, place], own[:, order.index(name)], rtol=1e-4, atol=1e-5)


def test_it_is_ready_to_teach_and_not_to_learn(make_bundle_file: Maker) -> None:
    path, _ = make_bundle_file()
    teacher = load_teacher(path, CLASSES, SIDE, CPU)
    assert not any(module.training for module in teacher.model.modules())
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    pixels = teacher.input(images(), identity_color(2)).requires_grad_()
    assert not teacher.logits(pixels).requires_grad
    assert (teacher.network, teacher.sha256) == ("mobilenet_v1_025", sha256_file(path))


@mark.parametrize("low_precision", [False, True])
def test_a_student_learns_from_what_it_says(make_bundle_file: Maker, low_precision: bool) -> None:
    """What is computed in inference mode cannot be kept for a backward pass."""
    teacher = load_teacher(make_bundle_file()[0], CLASSES, SIDE, CPU)
    pixels, student = teacher.input(images(), identity_color(2)), torch.zeros(2, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        logits = teacher.logits(pixels)
    assert not logits.is_inference()
    (student * logits).sum().backward()
    assert torch.equal(student.grad, logits.float())
    assert logits.any()


@mark.parametrize(
    ("classes", "message"),
    [(("class0", "class1", "dog"), r"2 of them in one only \(class2, dog\)"), (None, "does not name")],
)
def test_a_teacher_of_other_classes_is_refused(
    make_bundle_file: Maker, classes: tuple[str, ...] | None, message: str
) -> None:
    path, _ = make_bundle_file(classes=classes)
    with raises(UserError, match=rf"--teacher .*{message}"):
        load_teacher(path, CLASSES, SIDE, CPU)


def test_images_too_small_for_the_teacher_are_refused(make_bundle_file: Maker, monkeypatch: MonkeyPatch) -> None:
    path, _ = make_bundle_file()
    monkeypatch.setattr(MobileNetV1, "smallest_image", 75)
    with raises(UserError, match="--image-size 74: the teacher, a mobilenet_v1_025, needs 75 pixels or more"):
        load_teacher(path, CLASSES, 74, CPU)
    assert load_teacher(path, CLASSES, 75, CPU).network == "mobilenet_v1_025"


def test_no_teacher_there(tmp_path: Path) -> None:
    with raises(UserError, match=r"--teacher .*nobody: there is no such run folder or bundle"):
        load_teacher(tmp_path / "nobody", CLASSES, SIDE, CPU)


def test_several_are_matched_by_name_each(make_bundle_file: Maker) -> None:
    one, _ = make_bundle_file("one.safetensors")
    other, _ = make_bundle_file("other.safetensors", classes=CLASSES[::-1], seed=8, **CONTRACTS["caffe"])
    teachers = load_teachers((one, other), CLASSES, SIDE, CPU)
    assert [each.order.tolist() for each in teachers] == [[0, 1, 2], [2, 1, 0]]
    assert [each.contract.channel_order for each in teachers] == ["RGB", "BGR"]
    unnamed, _ = make_bundle_file("unnamed.safetensors", classes=None, seed=9)
    with raises(UserError, match=r"--teacher .*unnamed.safetensors does not name its classes"):
        load_teachers((one, unnamed), CLASSES, SIDE, CPU)


def test_weights_that_are_given_twice_are_refused(make_bundle_file: Maker, tmp_path: Path) -> None:
    """Under another name, too: they would only weigh double."""
    one, _ = make_bundle_file("one.safetensors")
    other, _ = make_bundle_file("other.safetensors", seed=8)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(one.read_bytes())
    with raises(UserError, match=r"--teacher .*one.safetensors: these weights are given more than once"):
        load_teachers((one, other, copy), CLASSES, SIDE, CPU)
