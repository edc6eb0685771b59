"""What the registry builds of a bundle: trunks, cut trunks, and stages on their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import timm
import torch
from pytest import mark, raises
from torch import nn

from backbones.bundles.bundle import write_bundle
from backbones.bundles.contract import imagenet_contract
from backbones.errors import UserError
from backbones.models import create_backbone, create_classifier
from transfer.openmmlab.trunk import bundle_stage, bundle_trunk, open_backbone, open_bundle
from transfer.run.plan import _backbone_facts


@mark.parametrize(("network", "size"), [("resnet18_d", 224), ("mobilenet_v1", 224), ("inception_v3", 299)])
def test_a_random_trunk_has_the_image_size_of_its_network(network: str, size: int) -> None:
    contract = open_bundle(f"random:{network}", 0).input_contract
    assert (contract.train_size, contract.eval_size) == (size, size)


def test_the_seed_draws_the_random_trunk_and_nothing_else() -> None:
    one, same, other = (bundle_stage("random:resnet18_d", stage=3, seed=seed).state_dict() for seed in (1, 1, 2))
    name = "stage4.0.conv1.conv.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])
    torch.manual_seed(7)
    before = torch.get_rng_state()
    open_bundle("random:mobilenet_v1", 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_is_transferred_by_its_word(tmp_path: Path) -> None:
    """Without a bundle's file; every tensor, and the images that it wants, are those of the checkpoint."""
    theirs = timm.create_model("mobilenetv1_100").state_dict()
    torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in theirs.items()}}, tmp_path / "file.ckpt")
    word = f"timm:mobilenetv1_100.ra4_e3600_r224_in1k@{tmp_path / 'file.ckpt'}"
    trunk, opened = bundle_trunk(word), open_backbone(word, 0)
    assert torch.equal(trunk.state_dict()["stem.0.conv.weight"], theirs["conv_stem.weight"])
    assert opened.bundle.input_contract.mean == (127.5, 127.5, 127.5)
    facts = _backbone_facts(word, opened)
    assert (facts["path"], facts["sha256"]) == (word, opened.sha256)
    assert facts["origin"]["unwrapped"] == ["state_dict", "model."]
    assert "sha256" not in _backbone_facts("random:mobilenet_v1", open_backbone("random:mobilenet_v1", 0))


@mark.parametrize("output_stride", [32, 16, 8])
@mark.parametrize("network", ["resnet18_a", "resnet18_d", "mobilenet_v1", "inception_v3"])
def test_maps_are_aligned_at_every_stride(network: str, output_stride: int) -> None:
    trunk = bundle_trunk(f"random:{network}", output_stride=output_stride).eval()
    with torch.no_grad():
        maps = trunk(torch.zeros(1, 3, 72, 104))
    sizes = [(-(-72 // stride), -(-104 // stride)) for stride in (min(s, output_stride) for s in (4, 8, 16, 32))]
    assert [tuple(each.shape[2:]) for each in maps] == sizes


@mark.parametrize("network", ["resnet18_a", "resnet50_b", "resnet18_c", "resnet50_d", "mobilenet_v1", "inception_v3"])
def test_a_cut_trunk_and_its_stage_are_the_whole_trunk(network: str) -> None:
    source = f"random:{network}"
    whole = bundle_trunk(source).eval()
    cut, stage = bundle_trunk(source, stages=3, out_indices=(2,)).eval(), bundle_stage(source, stage=3).eval()
    assert not [name for name in cut.state_dict() if name.startswith("stage4")]
    assert {**cut.state_dict(), **stage.state_dict()}.keys() == whole.state_dict().keys()
    assert (cut.output_stride, len(cut.feature_info)) == (16, 3)
    batch = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(stage(cut(batch)[-1]), whole(batch)[-1])
        assert stage(torch.zeros(5, cut.feature_info[-1].channels, 14, 14)).shape[2:] == (7, 7)


@mark.parametrize("norm_eval", [False, True])
@mark.parametrize("norm_frozen", [False, True])
def test_batch_norm_is_held_as_asked_in_both_parts(norm_eval: bool, norm_frozen: bool) -> None:
    held = {"norm_eval": norm_eval, "norm_frozen": norm_frozen}
    trunk = bundle_trunk("random:resnet18_d", stages=3, out_indices=(2,), frozen_stages=1, **held)
    stage = bundle_stage("random:resnet18_d", stage=3, **held)
    for part in (trunk.train(), stage.train()):
        trained = [m for name, m in part.named_modules() if name.startswith(("stage2", "stage3", "stage4"))]
        norms = [module for module in trained if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert {module.training for module in norms} == {not norm_eval}
        assert {parameter.requires_grad for module in norms for parameter in module.parameters()} == {not norm_frozen}
        assert all(module.weight.requires_grad for module in trained if isinstance(module, nn.Conv2d))
    assert not any(parameter.requires_grad for parameter in trunk.stage1.parameters())


def test_a_held_stage_keeps_its_statistics_through_a_training_step() -> None:
    for norm_eval in (True, False):
        stage = bundle_stage("random:mobilenet_v1_025", stage=3, norm_eval=norm_eval).train()
        before = stage.stage4[0].depthwise.norm.running_mean.clone()
        stage(torch.randn(4, 128, 14, 14)).mean().backward()
        assert torch.equal(stage.stage4[0].depthwise.norm.running_mean, before) == norm_eval


@mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 0}, "stages=0: a trunk keeps 1 to 4 stages"),
        ({"stages": 5}, "stages=5: a trunk keeps 1 to 4 stages"),
        ({"stages": 3}, r"out_indices=\(0, 1, 2, 3\): with stages=3, stages run from 0 to 2"),
        ({"stages": 3, "out_indices": (2,), "output_stride": 16}, "wants output_stride=32"),
        ({"stages": 3, "out_indices": (2,), "frozen_stages": 4}, "frozen_stages=4: allowed are -1 to 3"),
        ({"bundle": ""}, "give --backbone"),
    ],
)
def test_geometries_that_do_not_exist_are_refused(options: dict, message: str) -> None:
    with raises(UserError, match=message):
        bundle_trunk(**{"bundle": "random:resnet18_d", **options})


@mark.parametrize("stage", [0, 4, -1])
def test_a_stage_that_no_head_can_be_is_refused(stage: int) -> None:
    with raises(UserError, match=f"stage={stage}: resnet18_d can give its stages 1 to 3"):
        bundle_stage("random:resnet18_d", stage=stage)


def test_only_the_aligned_geometry_is_built() -> None:
    assert not create_backbone("inception_v3").padded
    assert bundle_trunk("random:inception_v3").padded


def test_a_header_that_describes_another_network_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    """Neck and heads are as large as the header says."""
    classifier = create_classifier("mobilenet_v1_025", 3)
    info = classifier.trunk.feature_info
    for wrong in ((*info[:-1], replace(info[-1], channels=60_000)), info[:-1], (*info, info[-1])):
        classifier.trunk.feature_info = wrong
        write_bundle(tmp_path / "bundle", classifier, "mobilenet_v1_025", imagenet_contract(64), {"recipe": "r"})
        with raises(
            UserError, match=r"bundle: its header describes other stages \(feature_info\) than mobilenet_v1_025"
        ):
            open_bundle(str(tmp_path / "bundle"), 0)
    classifier.trunk.feature_info = info
    write_bundle(tmp_path / "bundle", classifier, "mobilenet_v1_025", imagenet_contract(64), {"recipe": "r"})
    state = torch.random.get_rng_state()
    assert open_bundle(str(tmp_path / "bundle"), 1).feature_info == tuple(info)
    assert torch.equal(torch.random.get_rng_state(), state)
