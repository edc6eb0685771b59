"""Checkpoints in the shapes that people have them in: one network, one bundle, and a fate for everything beside it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import fixture, mark, raises
from safetensors.torch import save_file
from torch import Tensor, nn

from backbones.bundles.bundle import read_bundle
from backbones.bundles.loading import initialise_from, trained_classifier
from backbones.errors import UserError
from backbones.external.checkpoints.accounting import load_by_table
from backbones.external.checkpoints.locating import Located, locate
from backbones.external.checkpoints.weight_file import WRAPPERS, WeightFile, read_weight_file
from backbones.external.families import parse_source
from backbones.external.importing import import_bundle, import_weights
from backbones.external.keys import key_table, spellings
from backbones.models import Classifier, create_classifier

SOURCE = "torchvision:resnet18"
Tensors = dict[str, Tensor]


@fixture(scope="module")
def network() -> Classifier:
    """Only damage is loaded into it, which is refused."""
    return create_classifier("resnet18_b", 1000)


@fixture(scope="module")
def plain(network: Classifier) -> Tensors:
    """torchvision's names; each tensor begins with a value of its own. All lie in one storage, so a file is small."""
    theirs = {ours: name for name, ours in key_table("resnet18_b").items()}
    state = network.state_dict()
    longest = max(each.numel() for each in state.values()) + len(state)
    numbers = {dtype: torch.arange(longest, dtype=dtype) for dtype in (torch.float32, torch.int64)}
    return {
        theirs[name]: numbers[each.dtype][number : number + each.numel()].view(each.shape)
        for number, (name, each) in enumerate(state.items())
    }


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def trunk_of(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("fc.")}


def other(tensors: Tensors) -> Tensors:
    """As an average of the network would be."""
    return {name: tensor + 1 for name, tensor in tensors.items()}


def projection(prefix: str, count: int = 2) -> Tensors:
    return {f"{prefix}{layer}.{part}": torch.ones(2) for layer in range(count) for part in ("weight", "bias")}


def moved(tensors: Tensors, head: str) -> Tensors:
    return {
        **under("backbone.", trunk_of(tensors)),
        f"{head}weight": tensors["fc.weight"],
        f"{head}bias": tensors["fc.bias"],
    }


def whole_shapes(plain: Tensors) -> dict[str, tuple[Any, str | None]]:
    """What is saved, and the key that it needs."""
    options = argparse.Namespace(lr=0.1, opt="sgd")
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}
    averaged = {"n_averaged": torch.tensor(7), **under("module.", other(plain))}
    lightning = {"state_dict": under("model.", plain), "epoch": 1, "global_step": 3, "pytorch-lightning_version": "2.5"}
    return {
        "torchvision": ({"model": plain, "optimizer": optimizer, "args": options}, None),
        "torchvision with EMA": ({"model": plain, "args": options, "model_ema": averaged}, "model"),
        "timm": ({"arch": "resnet18", "state_dict": plain, "args": options, "version": 2, "metric": 71.0}, None),
        "timm with EMA": ({"state_dict": plain, "args": options, "state_dict_ema": other(plain)}, "state_dict"),
        "distributed and compiled": ({"state_dict": under("module._orig_mod.", plain)}, None),
        "mmpretrain": ({"meta": {"epoch": 1}, "state_dict": moved(plain, "head.fc.")}, None),
        "Lightning": (lightning, None),
        "Lightning with EMA": (
            {"state_dict": {**under("model.", plain), **under("model_ema.module.", other(plain))}},
            "state_dict.model",
        ),
        "trunk and classifier apart": (moved(plain, "classifier."), None),
        "another network beside it": ({**plain, **under("teacher.", other(plain))}, "."),
    }


def trunk_shapes(plain: Tensors) -> dict[str, tuple[Any, str | None]]:
    trunk = trunk_of(plain)
    return {
        **contrasted_shapes(plain, trunk),
        **distilled_shapes(trunk),
        **predicted_shapes(trunk),
        "a trunk": (trunk, None),
        "mmpretrain's neck": ({"state_dict": {**under("backbone.", trunk), **projection("neck.fc")}}, None),
    }


def contrasted_shapes(plain: Tensors, trunk: Tensors) -> dict[str, tuple[Any, str | None]]:
    moco = {
        **under("module.encoder_q.", plain),
        **under("module.encoder_k.", other(plain)),
        "module.queue": torch.ones(2),
    }
    moco2 = {
        **under("module.encoder_q.", trunk),
        **projection("module.encoder_q.fc."),
        "module.queue_ptr": torch.ones(1),
    }
    moco3 = {
        **under("module.base_encoder.", {**trunk, **projection("fc.", 3)}),
        **under("module.momentum_encoder.", {**other(trunk), **projection("fc.", 3)}),
        **projection("module.predictor."),
    }
    return {
        "MoCo": ({"state_dict": moco, "arch": "resnet18", "optimizer": {}}, None),
        "MoCo v2": ({"state_dict": moco2}, None),
        "MoCo v3": ({"state_dict": moco3}, None),
    }


def distilled_shapes(trunk: Tensors) -> dict[str, tuple[Any, str | None]]:
    student = {
        **under("module.backbone.", trunk),
        **projection("module.head.mlp."),
        "module.head.last_layer.weight_g": torch.ones(2),
    }
    teacher = {**under("backbone.", other(trunk)), **projection("head.mlp.")}
    dino = {
        "student": student,
        "teacher": teacher,
        "dino_loss": {"center": torch.ones(2)},
        "args": argparse.Namespace(a=1),
    }
    return {
        "DINO": (dino, "student"),
        "DINO in one": ({**under("student.backbone.", trunk), **under("teacher.backbone.", other(trunk))}, "student"),
        "DINO, student alone": ({**under("student.backbone.", trunk), **projection("student.head.mlp.")}, None),
    }


def predicted_shapes(trunk: Tensors) -> dict[str, tuple[Any, str | None]]:
    simsiam = {**under("encoder.", {**trunk, **projection("fc.")}), **projection("predictor.")}
    swav = {
        **under("module.", trunk),
        **projection("module.projection_head."),
        "module.prototypes.weight": torch.ones(2),
    }
    byol = {
        **under("online_encoder.", trunk),
        **under("target_encoder.", other(trunk)),
        **projection("online_projector."),
        **projection("online_predictor."),
        **projection("target_projector."),
    }
    solo = {**under("backbone.", trunk), **under("momentum_backbone.", other(trunk)), **projection("projector.")}
    return {
        "SimSiam": ({"state_dict": simsiam}, None),
        "SwAV": (swav, None),
        "BYOL": (byol, None),
        "BYOL of solo-learn": ({"state_dict": solo, "hyper_parameters": {"lr": 0.1}}, None),
    }


WHOLE, TRUNKS = (
    list(shapes({"fc.weight": torch.ones(1), "fc.bias": torch.ones(1)})) for shapes in (whole_shapes, trunk_shapes)
)


@dataclass(frozen=True)
class Found:
    """A file's tensors, and where the network was found in them."""

    tensors: Tensors
    located: Located

    def arrived(self) -> dict[str, float]:
        """Value by name in the classifier; every tensor of the file has one fate."""
        fates = self.located.table
        assert self.tensors.keys() <= fates.keys()
        assert {name for name in self.tensors if fates[name] is None} == set(self.located.reasons)
        return {ours: tensor.flatten()[0].item() for name, tensor in self.tensors.items() if (ours := fates[name])}


def read(content: Any, key: str | None, folder: Path) -> Found:
    torch.save(content, folder / "file.pth")
    file = read_weight_file(folder / "file.pth", key)
    return Found(file.tensors, locate("the file", file, spellings("resnet18_b")))


def values(plain: Tensors) -> dict[str, float]:
    """What arrives of a plain state dictionary."""
    return {ours: plain[theirs].flatten()[0].item() for theirs, ours in key_table("resnet18_b").items() if ours}


def trunk_values(plain: Tensors) -> dict[str, float]:
    return {name: value for name, value in values(plain).items() if name.startswith("trunk.")}


def test_the_reference_tells_tensors_apart(plain: Tensors) -> None:
    assert len(set(values(plain).values())) == 122


@mark.parametrize("shape", WHOLE)
def test_every_wrapping_gives_the_same_network(plain: Tensors, tmp_path: Path, shape: str) -> None:
    found = read(*whole_shapes(plain)[shape], tmp_path)
    assert found.arrived() == values(plain)
    assert found.located.head in found.tensors


@mark.parametrize("shape", TRUNKS)
def test_trunks_come_without_their_projections(plain: Tensors, tmp_path: Path, shape: str) -> None:
    found = read(*trunk_shapes(plain)[shape], tmp_path)
    assert found.arrived() == trunk_values(plain)
    assert found.located.head is None


@mark.parametrize(("shape", "count"), [("mmpretrain", 122), ("MoCo", 120)])
def test_the_bundle_is_the_plain_ones(plain: Tensors, tmp_path: Path, shape: str, count: int) -> None:
    bundles = []
    for content in ((whole_shapes(plain) | trunk_shapes(plain))[shape][0], plain if count == 122 else trunk_of(plain)):
        torch.save(content, tmp_path / "file.pth")
        bundles.append(import_bundle(parse_source(SOURCE), tmp_path / "file.pth"))
    one, reference = bundles
    assert (one.checksums, one.input_contract, one.architecture) == (
        *(reference.checksums, reference.input_contract, reference.architecture),
    )
    ledger = one.training["origin"]["ledger"]
    assert len(one.checksums) == ledger["mapped"] == count
    assert ledger["mapped"] + sum(map(len, ledger["dropped"].values())) == ledger["source_tensors"]
    absent = {"no classifier head in the checkpoint": ["head.weight", "head.bias"]}
    assert ledger.get("absent") == (None if count == 122 else absent)
    assert (one.training["classes"] is None) == (count == 120)


def test_safetensors_of_hugging_face(plain: Tensors, tmp_path: Path) -> None:
    small = {name: tensor.flatten()[:1].clone() for name, tensor in plain.items()}
    save_file(small, tmp_path / "model.safetensors", metadata={"format": "pt"})
    file = read_weight_file(tmp_path / "model.safetensors")
    assert Found(file.tensors, locate("the file", file, spellings("resnet18_b"))).arrived() == values(plain)


def test_each_fate_has_its_reason(plain: Tensors, tmp_path: Path) -> None:
    reasons = read(*trunk_shapes(plain)["MoCo"], tmp_path).located.reasons
    projected = {name for name, why in reasons.items() if why == "dropped: projection head"}
    assert projected == {"encoder_q.fc.weight", "encoder_q.fc.bias"}
    assert reasons["queue"] == "dropped: queue of negatives"
    copies = {name for name, why in reasons.items() if why == "dropped: momentum copy of the network"}
    assert copies == {f"encoder_k.{name}" for name in plain}


def test_what_was_found_is_printed(plain: Tensors, tmp_path: Path) -> None:
    torch.save(trunk_shapes(plain)["MoCo v2"][0], tmp_path / "file.pth")
    lines = import_weights(SOURCE, tmp_path / "out", tmp_path / "file.pth")
    assert "unwrapped  state_dict, module., encoder_q." in lines
    assert any(line.startswith("dropped    projection head: tensors encoder_q.fc.0.weight, ") for line in lines)
    assert any(line.startswith("head       none, because there is no classifier head") for line in lines)
    torch.save(whole_shapes(plain)["mmpretrain"][0], tmp_path / "file.pth")
    lines = import_weights(SOURCE, tmp_path / "other", tmp_path / "file.pth")
    assert {"unwrapped  state_dict, backbone., head at head.fc.weight", "left       meta"} <= set(lines)


def test_the_momentum_copy_is_there_for_who_asks(plain: Tensors, tmp_path: Path) -> None:
    content, _ = trunk_shapes(plain)["MoCo"]
    assert read(content, "state_dict.module.encoder_k", tmp_path).arrived() == trunk_values(other(plain))


@mark.parametrize(
    ("shape", "keys"),
    [
        ("torchvision with EMA", "--key; its dictionaries are: model, model_ema$"),
        ("timm with EMA", "--key; its dictionaries are: state_dict, state_dict_ema$"),
        ("Lightning with EMA", r"2 times; .* --key with one of: state_dict\.model, state_dict\.model_ema\.module$"),
        ("another network beside it", r"2 times; .* --key with one of: \., teacher$"),
        ("DINO", "--key; its dictionaries are: student, teacher, dino_loss$"),
        ("DINO in one", r"2 times; .* --key with one of: student\.backbone, teacher\.backbone$"),
    ],
)
def test_what_is_there_twice_has_to_be_asked_for(plain: Tensors, tmp_path: Path, shape: str, keys: str) -> None:
    """And each of the keys that the message names works, and gives another network."""
    content, _ = (whole_shapes(plain) | trunk_shapes(plain))[shape]
    with raises(UserError, match=keys) as told:
        read(content, None, tmp_path)
    first, second = str(told.value).rpartition(": ")[2].split(", ")[:2]
    for key, wanted in ((first, plain), (second, other(plain))):
        assert read(content, key, tmp_path).arrived().items() >= trunk_values(wanted).items()


def test_a_key_without_the_network_names_those_with_it(plain: Tensors, tmp_path: Path) -> None:
    content = {**under("a.", plain), **projection("b.")}
    with raises(UserError, match=r"this network is not under its --key; give --key with one of: a$"):
        read(content, "b", tmp_path)


Damage = Callable[[Tensors, str], None]


def add(tensors: Tensors, prefix: str) -> None:
    tensors[f"{prefix}layer3.1.projector.weight"] = torch.ones(2)


def add_beside(tensors: Tensors, prefix: str) -> None:
    tensors["criterion.weight"] = torch.ones(2)


def lose(tensors: Tensors, prefix: str) -> None:
    del tensors[f"{prefix}layer3.1.bn2.running_var"]


def lose_the_first(tensors: Tensors, prefix: str) -> None:
    del tensors[f"{prefix}conv1.weight"]


def reshape(tensors: Tensors, prefix: str) -> None:
    tensors[f"{prefix}layer1.0.conv1.weight"] = torch.ones(64, 64, 1, 1)


def load(found: Found, network: Classifier) -> None:
    load_by_table("the file", network, found.tensors, found.located.table, found.located.reasons)


@mark.parametrize("prefix", ["", "backbone.", "module.encoder_q.", "model."])
@mark.parametrize(
    ("damage", "message"),
    [
        (add, r"it holds tensor {}layer3\.1\.projector\.weight, which this network does not have$"),
        (add_beside, r"it holds tensor criterion\.weight, which"),
        (lose, r"it lacks tensor {}layer3\.1\.bn2\.running_var$"),
        (lose_the_first, r"it lacks tensor {}conv1\.weight$"),
        (reshape, r"{}layer1\.0\.conv1\.weight is \(64, 64, 1, 1\) and should be \(64, 64, 3, 3\)$"),
    ],
)
def test_damage_is_named_wherever_the_network_lies(
    plain: Tensors, network: Classifier, tmp_path: Path, prefix: str, damage: Damage, message: str
) -> None:
    tensors = under(prefix, trunk_of(plain))
    damage(tensors, prefix)
    # What all names begin with has been taken off.
    common = "module." if all(name.startswith("module.") for name in tensors) else ""
    with raises(UserError, match=message.format(prefix.removeprefix(common).replace(".", r"\."))):
        load(read(tensors, None, tmp_path), network)


@mark.parametrize("part", ["weight", "bias"])
@mark.parametrize("head", ["fc.", "head.fc.", "classifier."])
def test_half_a_head_is_refused(plain: Tensors, network: Classifier, tmp_path: Path, head: str, part: str) -> None:
    """It would be another network's, or a damaged one."""
    tensors = dict(plain) if head == "fc." else moved(plain, head)
    del tensors[head + part]
    with raises(UserError, match=rf"it lacks tensor {head}{part}$"):
        load(read({"state_dict": tensors}, None, tmp_path), network)
    torch.save(tensors, tmp_path / "file.pth")
    if part == "weight":
        with raises(UserError, match=rf"{head}weight, the weights of its classifier, is missing"):
            import_bundle(parse_source(SOURCE), tmp_path / "file.pth")


def test_openmmlabs_deep_stem(make_reference: Callable[[str, str], nn.Module], tmp_path: Path) -> None:
    theirs = make_reference("timm", "resnet18d").state_dict()
    stem = {"conv1.": "stem.", "bn1.": "stem.7."}
    renamed = {
        next((new + name.removeprefix(old) for old, new in stem.items() if name.startswith(old)), name): tensor
        for name, tensor in theirs.items()
    }
    bundles = []
    for tensors in (theirs, moved(renamed, "head.fc.")):
        torch.save(tensors, tmp_path / "file.pth")
        bundles.append(import_bundle(parse_source("timm:resnet18d.ra2_in1k"), tmp_path / "file.pth"))
    assert bundles[0].checksums == bundles[1].checksums
    assert len(bundles[0].checksums) == 134


def test_a_bundle_without_head_is_for_transfer_only(plain: Tensors, tmp_path: Path) -> None:
    torch.save(trunk_of(plain), tmp_path / "file.pth")
    import_weights(SOURCE, tmp_path / "out.safetensors", tmp_path / "file.pth")
    with raises(UserError, match=r"out\.safetensors holds no classifier head .* it cannot classify$"):
        trained_classifier(tmp_path / "out.safetensors")
    bundle = read_bundle(tmp_path / "out.safetensors")
    assert bundle.training["origin"]["ledger"]["absent"]
    student = create_classifier("resnet18_b", 3)
    assert initialise_from(student, bundle, ("a", "b", "c"), "resnet18_b").endswith("new heads, because it has no head")
    assert torch.equal(student.state_dict()["trunk.stem.conv.weight"], plain["conv1.weight"])


def test_classes_of_a_head_that_is_not_there_are_refused(plain: Tensors, tmp_path: Path) -> None:
    torch.save(trunk_of(plain), tmp_path / "file.pth")
    (tmp_path / "names.txt").write_text("a\nb\n")
    with raises(UserError, match=r"names\.txt: .* has no classifier head whose classes these could be"):
        import_weights(SOURCE, tmp_path / "out", tmp_path / "file.pth", classes=tmp_path / "names.txt")


NAMES = list(key_table("resnet18_b"))
WORDS = st.sampled_from(["model", "net", "backbone", "encoder", "module", "_orig_mod", "student", "a1"])


@settings(max_examples=20, deadline=None)
@given(
    words=st.lists(WORDS, max_size=4),
    entry=st.sampled_from([None, *WRAPPERS]),
    beside=st.lists(st.sampled_from(["projector.0.weight", "queue", "neck.fc.weight", "head.mlp.0.bias"]), unique=True),
    order=st.randoms(use_true_random=False),
)
def test_any_prefix_is_found(
    words: list[str], entry: str | None, beside: list[str], order: Any, tmp_path_factory: Any
) -> None:
    """Whatever stands before the names, in whatever order they come."""
    prefix = "".join(f"{word}." for word in words)
    names = [*(prefix + name for name in NAMES if not name.startswith("fc.")), *beside]
    order.shuffle(names)
    tensors = {name: torch.ones(1) for name in names}
    path = tmp_path_factory.mktemp("any") / "file.pth"
    torch.save({entry: tensors} if entry else tensors, path)
    file = read_weight_file(path)
    located = locate("the file", file, spellings("resnet18_b"))
    stripped = prefix.removeprefix("".join(part for part in file.unwrapped if part.endswith(".")))
    assert located.prefix == stripped
    assert located.head is None
    for name, target in key_table("resnet18_b").items():
        assert located.table.get(stripped + name) == (None if name.startswith("fc.") else target)
    assert set(located.reasons) == set(beside)


def test_a_part_is_not_taken_for_the_network() -> None:
    """A block of a ResNet has layers that are called as the stem's."""
    tensors = {name: torch.ones(1) for name in NAMES if not name.startswith(("layer3", "layer4"))}
    located = locate("the file", WeightFile(tensors, ()), spellings("resnet18_b"))
    assert located.prefix == ""
    assert "layer4.1.bn2.weight" in located.table
