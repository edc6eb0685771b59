"""Classifiers that were trained before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from pytest import fixture, mark, raises
from safetensors.torch import load_file, save_file

from backbones.bundles.bundle import Bundle, make_bundle, read_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.bundles.ledger import ProofError
from backbones.bundles.loading import class_order, find_bundle, initialise_from, trained_classifier
from backbones.errors import UserError
from backbones.models import Classifier, create_classifier

CLASSES = ("class0", "class1", "class2")
Maker = Callable[..., tuple[Path, Classifier]]


def test_a_run_folder_stands_for_its_bundle(make_bundle_file: Maker, tmp_path: Path) -> None:
    path, _ = make_bundle_file()
    (tmp_path / "run").mkdir()
    with raises(
        UserError, match=r"--teacher .*run: no backbone\.safetensors in it; is it the folder of a finished run"
    ):
        find_bundle(tmp_path / "run", "--teacher")
    shutil.copy(path, tmp_path / "run" / "backbone.safetensors")
    assert find_bundle(tmp_path / "run", "--teacher") == tmp_path / "run" / "backbone.safetensors"
    assert find_bundle(path, "--teacher") == path
    assert find_bundle(str(path), "--teacher") == path


def test_a_path_to_nothing_is_named(tmp_path: Path) -> None:
    with raises(UserError, match=r"--init-from .*nowhere: there is no such run folder or bundle"):
        find_bundle(tmp_path / "nowhere", "--init-from")


def test_a_classifier_is_read_with_its_head(make_bundle_file: Maker) -> None:
    path, original = make_bundle_file()
    bundle, model = trained_classifier(path)
    assert bundle.architecture == "mobilenet_v1_025"
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model.eval()(images), original(images))


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "plain")
    with raises(UserError, match="not a bundle"):
        trained_classifier(tmp_path / "plain")


def test_a_bundle_without_head_cannot_classify(make_bundle_file: Maker, monkeypatch) -> None:
    path, _ = make_bundle_file()
    bundle = read_bundle(path)
    tensors = {name: value for name, value in bundle.tensors.items() if not name.startswith("head.")}
    headless = Bundle(**{**vars(bundle), "tensors": tensors})
    monkeypatch.setattr("backbones.bundles.loading.read_bundle", lambda _: headless)
    with raises(UserError, match=r"holds no classifier head \(head\.weight\)"):
        trained_classifier(path)


def bundle_that_knows(classes: object, outputs: int = 3) -> Bundle:
    facts = {} if classes is None else {"classes": classes}
    return make_bundle(
        create_classifier("mobilenet_v1_025", outputs), "", imagenet_contract(32), facts, "t.safetensors"
    )


def test_classes_are_matched_by_name() -> None:
    bundle = bundle_that_knows(["dog", "cat", "eel"])
    assert class_order(bundle, ("cat", "dog", "eel"), "--teacher") == [1, 0, 2]
    assert class_order(bundle, ("dog", "cat", "eel"), "--teacher") == [0, 1, 2]
    assert class_order(bundle, ("eel", "dog", "cat"), "--teacher") == [2, 0, 1]


@mark.parametrize(
    ("known", "outputs", "message"),
    [
        (None, 3, "does not name its classes"),
        ([], 3, "does not name its classes"),
        (["a", "b"], 3, "does not name its classes"),
        (["a", "b", "d"], 3, r"3 there, 3 here, 2 of them in one only \(c, d\)"),
        (["a", "b", "c", "d"], 4, r"4 there, 3 here, 1 of them in one only \(d\)"),
        (list("uvwxyz"), 6, r"6 there, 3 here, 9 of them in one only \(a, b, c, u, \.\.\.\)"),
    ],
)
def test_other_classes_are_refused_by_name(known: list[str] | None, outputs: int, message: str) -> None:
    with raises(UserError, match=rf"--teacher t\.safetensors .*{message}"):
        class_order(bundle_that_knows(known, outputs), ("a", "b", "c"), "--teacher")


@fixture
def fresh() -> Classifier:
    torch.manual_seed(1)
    return create_classifier("mobilenet_v1_025", 3)


def test_with_the_same_classes_the_head_is_kept(make_bundle_file: Maker, fresh: Classifier) -> None:
    path, original = make_bundle_file()
    origin = initialise_from(fresh, read_bundle(path), CLASSES, "mobilenet_v1_025")
    assert origin == f"trunk and head from {path}"
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, original.state_dict()[name]), name


def test_classes_in_another_order_are_put_in_order(make_bundle_file: Maker, fresh: Classifier) -> None:
    path, original = make_bundle_file(classes=("class2", "class0", "class1"))
    origin = initialise_from(fresh, read_bundle(path), CLASSES, "mobilenet_v1_025")
    assert origin == f"trunk and head from {path}, its classes in the order of the data set"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(images), original(images)[:, [1, 2, 0]])


def test_the_auxiliary_head_is_put_in_order_too() -> None:
    torch.manual_seed(3)
    original, fresh = (create_classifier("inception_v3", 3, auxiliary=True) for _ in range(2))
    facts = {"classes": ["b", "c", "a"]}
    bundle = make_bundle(original, "inception_v3", imagenet_contract(299), facts, "t.safetensors")
    initialise_from(fresh, bundle, ("a", "b", "c"), "inception_v3")
    for head, theirs in ((fresh.head, original.head), (fresh.aux_head.fc, original.aux_head.fc)):
        assert torch.equal(head.weight, theirs.weight[[2, 0, 1]])
        assert torch.equal(head.bias, theirs.bias[[2, 0, 1]])
    assert torch.equal(fresh.aux_head.conv1.conv.weight, original.aux_head.conv1.conv.weight)


@mark.parametrize(
    ("what", "reason"),
    [
        ("no head", "it has no head"),
        ("no classes", "it does not name its classes"),
        ("other", "its classes are others"),
    ],
)
def test_why_the_head_is_new(make_bundle_file: Maker, fresh: Classifier, what: str, reason: str) -> None:
    path, _ = make_bundle_file(classes=None if what == "no classes" else ("class0", "class1", "other"))
    bundle = read_bundle(path)
    if what == "no head":
        for name in [name for name in bundle.tensors if name.startswith("head.")]:
            del bundle.tensors[name]
    assert initialise_from(fresh, bundle, CLASSES, "mobilenet_v1_025") == (
        f"trunk from {path}; new heads, because {reason}"
    )


def test_with_other_classes_the_head_is_new(make_bundle_file: Maker, fresh: Classifier) -> None:
    path, original = make_bundle_file(classes=("class0", "class1", "other"))
    head = {name: value.clone() for name, value in fresh.head.state_dict().items()}
    origin = initialise_from(fresh, read_bundle(path), CLASSES, "mobilenet_v1_025")
    assert origin == f"trunk from {path}; new heads, because its classes are others"
    for name, value in fresh.trunk.state_dict().items():
        assert torch.equal(value, original.trunk.state_dict()[name]), name
    for name, value in fresh.head.state_dict().items():
        assert torch.equal(value, head[name]), name


def test_more_classes_than_before_need_a_new_head_too(make_bundle_file: Maker) -> None:
    path, original = make_bundle_file()
    larger = create_classifier("mobilenet_v1_025", 5)
    initialise_from(larger, read_bundle(path), ("a", "b", "c", "d", "e"), "mobilenet_v1_025")
    assert torch.equal(larger.trunk.state_dict()["stem.0.conv.weight"], original.trunk.stem[0].conv.weight)
    assert larger.head.weight.shape[0] == 5


def test_another_network_is_refused(make_bundle_file: Maker) -> None:
    path, _ = make_bundle_file()
    model = create_classifier("resnet18_d", 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with raises(UserError, match=r"is a mobilenet_v1_025; give --network mobilenet_v1_025"):
        initialise_from(model, read_bundle(path), CLASSES, "resnet18_d")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_missing_tensor_is_named(make_bundle_file: Maker, fresh: Classifier) -> None:
    path, _ = make_bundle_file()
    bundle = read_bundle(path)
    lost = next(name for name in load_file(path) if name.endswith("running_var"))
    bundle.tensors.pop(lost)
    with raises(ProofError, match=f"{lost.removeprefix('trunk.')} have no origin"):
        initialise_from(fresh, bundle, CLASSES, "mobilenet_v1_025")
