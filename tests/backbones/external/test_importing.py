"""Imported networks compute what torchvision's and timm's compute, and say truly where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from pytest import mark, raises
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backbones.bundles.bundle import read_bundle
from backbones.bundles.loading import class_order, trained_classifier
from backbones.errors import UserError
from backbones.external.families import FAMILIES
from backbones.external.importing import import_weights, with_top1

Reference = Callable[[str, str], nn.Module]

# Weights decide the input contract; for the tensors any of the network's would do.
TIMM_TAGS = {
    "resnet18d": "ra2_in1k",
    "resnet34d": "ra2_in1k",
    "inception_v3": "tv_in1k",
    "mobilenetv1_100": "ra4_e3600_r224_in1k",
}
# Half a minute together, and nothing in them that the others lack.
SLOW = {("torchvision", "resnet101"), *(("timm", f"resnet{name}") for name in ("101", "101c", "101d", "152", "152c"))}
NETWORKS = [
    pytest.param(library, network, marks=[mark.slow, mark.exhaustive] if (library, network) in SLOW else [])
    for library, networks in FAMILIES.items()
    for network in networks
]


def source(library: str, network: str) -> str:
    return f"{library}:{network}." + (TIMM_TAGS.get(network, "gluon_in1k") if library == "timm" else "IMAGENET1K_V1")


def assert_same_logits(ours: nn.Module, theirs: nn.Module, size: int) -> None:
    images = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if isinstance(theirs, torchvision.models.Inception3):
        theirs.transform_input = False
    with torch.no_grad():
        expected = theirs.double()(images)
        # Control: the logits depend on the image, and by far more than the tolerance.
        assert (expected[0] - expected[1]).abs().max() > 1e-3 * expected.abs().max()
        torch.testing.assert_close(ours.double().eval()(images), expected, rtol=1e-10, atol=1e-10)


@mark.slow
@mark.parametrize(("library", "network"), NETWORKS)
def test_logits_are_the_librarys(make_reference: Reference, tmp_path: Path, library: str, network: str) -> None:
    theirs = make_reference(library, network)
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    import_weights(source(library, network), tmp_path / "out.safetensors", tmp_path / "weights.safetensors")
    bundle, ours = trained_classifier(tmp_path / "out.safetensors")
    assert bundle.architecture == FAMILIES[library][network]
    assert_same_logits(ours, theirs, 75 if network == "inception_v3" else 64)


def test_inceptions_contract_stands_for_its_input_transform(make_reference: Reference, tmp_path: Path) -> None:
    """Same 8-bit image, each side with its own normalisation, torchvision's with the one inside the network."""
    theirs = make_reference("torchvision", "inception_v3").double()
    save_file(theirs.float().state_dict(), tmp_path / "weights.safetensors")
    import_weights("torchvision:inception_v3", tmp_path / "out.safetensors", tmp_path / "weights.safetensors")
    bundle, ours = trained_classifier(tmp_path / "out.safetensors")
    pixels = torch.randint(0, 256, (1, 3, 75, 75), generator=torch.Generator().manual_seed(0)).double()
    contract = bundle.input_contract
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (contract.mean, contract.std))
    transforms = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
    published = torchvision.transforms.functional.normalize(pixels / 255, transforms.mean, transforms.std)
    with torch.no_grad():
        expected = theirs.double()(published)
        ours = ours.double().eval()
        torch.testing.assert_close(ours((pixels - mean) / std), expected, rtol=1e-10, atol=1e-10)
        assert not torch.allclose(ours(published), expected, rtol=1e-3)


@pytest.fixture
def resnet18(make_reference: Reference, tmp_path: Path) -> Path:
    """A file with torchvision's names."""
    torch.save(make_reference("torchvision", "resnet18").state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def test_a_bundle_says_what_is_known(resnet18: Path, tmp_path: Path) -> None:
    lines = import_weights("torchvision:resnet18", tmp_path / "out.safetensors", resnet18)
    bundle = read_bundle(tmp_path / "out.safetensors")
    training, origin = bundle.training, bundle.training["origin"]
    assert training["recipe"] == "torchvision:resnet18 from mine.pth"
    assert training["top1"] is None
    assert len(training["classes"]) == 1000
    assert training["classes"][:2] == ["n01440764", "n01443537"]
    assert class_order(bundle, sorted(training["classes"], reverse=True), "--teacher")[:2] == [999, 998]
    assert origin["sha256"] == hashlib.sha256(resnet18.read_bytes()).hexdigest()
    assert origin["ledger"]["mapped"] == origin["ledger"]["source_tensors"] == 122
    assert origin["evaluation"] == {"resize_size": 256, "crop_size": 224, "interpolation": "bilinear"}
    assert any("122 mapped, 0 dropped" in line for line in lines)


def test_a_stated_top1_is_a_percentage(resnet18: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    for stated in (0.76, 0.0, 101.0):
        with raises(UserError, match=r"--top1 .*: give percent, such as"):
            import_weights("torchvision:resnet18", out, resnet18, top1=stated)
        assert not out.exists()
    import_weights("torchvision:resnet18", out, resnet18, top1=76.1)
    bundle = read_bundle(out)
    assert bundle.training["top1"] == 76.1
    with raises(UserError, match=r"--top1 70: .* has a top-1 of 76\.1 %, which stands"):
        with_top1(bundle, 70.0)
    assert with_top1(bundle, None) is bundle


def test_the_auxiliary_head_is_dropped_by_name(make_reference: Reference, tmp_path: Path) -> None:
    save_file(make_reference("torchvision", "inception_v3").state_dict(), tmp_path / "weights.safetensors")
    import_weights("torchvision:inception_v3", tmp_path / "out.safetensors", tmp_path / "weights.safetensors")
    ledger = read_bundle(tmp_path / "out.safetensors").training["origin"]["ledger"]
    (dropped,) = ledger["dropped"].values()
    assert len(dropped) == 14
    assert all(name.startswith("AuxLogits.") for name in dropped)


def test_the_published_file_is_known_by_its_checksum(resnet18: Path, tmp_path: Path, monkeypatch) -> None:
    """The weights' published name is made to hold this file's digits."""
    digits = hashlib.sha256(resnet18.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights.IMAGENET1K_V1.value, "url", f"https://example.org/resnet18-{digits}.pth"
    )
    import_weights("torchvision:resnet18", tmp_path / "out.safetensors", resnet18)
    training = read_bundle(tmp_path / "out.safetensors").training
    assert training["recipe"] == "torchvision:resnet18.IMAGENET1K_V1"
    assert (training["top1"], training["top5"]) == (69.758, 89.078)


def test_importing_twice_changes_nothing_and_other_files_stay(resnet18: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    import_weights("torchvision:resnet18", out, resnet18)
    before = (out.stat().st_mtime_ns, out.read_bytes())
    assert import_weights("torchvision:resnet18", out, resnet18)[-1].startswith("unchanged")
    tensors = torch.load(resnet18, weights_only=True)
    tensors["fc.bias"] += 1
    torch.save(tensors, resnet18)
    with raises(UserError, match="is there already and is not this bundle; remove it"):
        import_weights("torchvision:resnet18", out, resnet18)
    assert (out.stat().st_mtime_ns, out.read_bytes()) == before
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with raises(UserError, match="is there already"):
        import_weights("torchvision:resnet18", other, resnet18)
    assert other.read_text() == "mine"


def with_head(path: Path, classes: int) -> None:
    tensors = torch.load(path, weights_only=True)
    tensors["fc.weight"], tensors["fc.bias"] = tensors["fc.weight"][:classes], tensors["fc.bias"][:classes]
    torch.save({name: tensor.clone() for name, tensor in tensors.items()}, path)


def test_other_classes_have_other_names(resnet18: Path, tmp_path: Path) -> None:
    with_head(resnet18, 3)
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\nmouse\n")
    import_weights("torchvision:resnet18", tmp_path / "out.safetensors", resnet18, classes=names)
    bundle = read_bundle(tmp_path / "out.safetensors")
    assert bundle.training["classes"] == ["cat", "dog", "mouse"]
    assert bundle.tensors["head.weight"].shape == (3, 512)


@mark.parametrize(
    ("names", "message"),
    [
        (None, "tells 3 classes apart, ImageNet has 1000; give their 3 names with --classes FILE"),
        ("cat\ndog\n", "names.txt names 2"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("cat\ndog\ncat\n", "cat is in it more than once"),
    ],
)
def test_class_names_must_fit_the_head(resnet18: Path, tmp_path: Path, names: str | None, message: str) -> None:
    with_head(resnet18, 3)
    if names is not None:
        (tmp_path / "names.txt").write_text(names)
    file = None if names is None else tmp_path / "names.txt"
    with raises(UserError, match=message):
        import_weights("torchvision:resnet18", tmp_path / "out.safetensors", resnet18, classes=file)
    assert not (tmp_path / "out.safetensors").exists()


def cached(resnet18: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's download cache, holding the file under the name of the published one."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(folder))
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    resnet18.rename(folder / "hub" / "checkpoints" / "resnet18-f37072fd.pth")


def test_torchvisions_own_download_is_used(resnet18: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = torch.load(resnet18, weights_only=True)
    cached(resnet18, tmp_path / "cache", monkeypatch)
    import_weights("torchvision:resnet18", tmp_path / "out.safetensors")
    bundle = read_bundle(tmp_path / "out.safetensors")
    assert bundle.training["recipe"] == "torchvision:resnet18.IMAGENET1K_V1"
    assert bundle.training["top1"] == 69.758
    assert torch.equal(bundle.tensors["trunk.stem.conv.weight"], tensors["conv1.weight"])


@mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18d.ra2_in1k"])
def test_a_failed_download_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> dict[str, Tensor]:
        raise ConnectionError("no route to host\nand more")

    for target in ("torchvision.models._api.load_state_dict_from_url", "timm.models._builder.load_state_dict_from_hf"):
        monkeypatch.setattr(target, fail)
    with raises(UserError, match=r"\(ConnectionError: no route to host\).*@FILE .*--checkpoint FILE\)$"):
        import_weights(name, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_half_precision_arrives_exactly(resnet18: Path, tmp_path: Path) -> None:
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in torch.load(resnet18, weights_only=True).items()
    }
    torch.save(half, resnet18)
    import_weights("torchvision:resnet18", tmp_path / "out.safetensors", resnet18)
    tensors = load_file(tmp_path / "out.safetensors")
    assert tensors["head.weight"].dtype == torch.float32
    assert torch.equal(tensors["head.weight"].half(), half["fc.weight"])
