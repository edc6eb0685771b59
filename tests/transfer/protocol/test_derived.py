"""Options for what a run derives are refused, and the list of what it derives is complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest import fixture, mark, raises

from backbones.errors import UserError
from transfer.openmmlab import ops_bridge
from transfer.openmmlab.trunk import open_bundle
from transfer.protocol.derived import derived_settings
from transfer.protocol.load import load_config

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = sorted([*ROOT.glob("det_configs/*.py"), *ROOT.glob("seg_configs/*.py")])
FPN, C4 = "det_configs/faster_rcnn_fpn_demo.py", "det_configs/faster_rcnn_c4_voc07.py"
FCN = "seg_configs/fcn_os8_demo.py"


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


@mark.parametrize(
    ("protocol", "option", "source"),
    [
        (FCN, "model.decode_head.channels=7", "the bundle"),
        (FCN, "model.auxiliary_head.in_channels=7", "the bundle"),
        (FCN, "model.decode_head.num_classes=7", "the class names"),
        (FCN, "train_dataloader.dataset.metainfo={'classes': ('a',)}", "the class names"),
        (FCN, "model.backbone.seed=7", "--seed"),
        (FPN, "model.roi_head.bbox_head.num_classes=7", "the class names"),
        (FPN, "model.neck.in_channels=[1, 2, 3, 4]", "the bundle"),
        (FPN, "model.neck={'in_channels': [1, 2, 3, 4]}", "the bundle"),
        (FPN, "model.backbone.bundle=x", "--backbone"),
        (C4, "model.rpn_head.in_channels=7", "the bundle"),
        (C4, "model.roi_head.bbox_roi_extractor.out_channels=7", "the bundle"),
        (C4, "model.roi_head.shared_head.norm_eval=True", "model.backbone.norm_eval"),
        (C4, "model.roi_head={'shared_head': {'stage': 2}}", "model.backbone.out_indices"),
    ],
)
def test_an_option_for_a_derived_setting_is_refused(protocol: str, option: str, source: str) -> None:
    with raises(UserError) as caught:
        load_config(str(ROOT / protocol), (option,))
    key = option.partition("=")[0]
    assert str(caught.value).startswith(f"--cfg-options {key}")
    assert f"it follows from {source}" in str(caught.value)
    assert "\n" not in str(caught.value)


@mark.parametrize(
    ("protocol", "option"),
    [
        (FPN, "model.rpn_head.in_channels=64"),  # of the pyramid, which is the protocol's own
        (FPN, "model.roi_head.bbox_head.in_channels=64"),
        (FPN, "model.neck={'out_channels': 64}"),
        (C4, "model.rpn_head.feat_channels=64"),
        (FCN, "model.decode_head.dropout_ratio=0.2"),
    ],
)
def test_its_neighbours_can_be_set(protocol: str, option: str) -> None:
    load_config(str(ROOT / protocol), (option,))


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, node


@mark.parametrize("protocol", PROTOCOLS, ids=lambda path: path.stem)
def test_whatever_a_run_writes_into_a_model_is_on_the_list(protocol: Path) -> None:
    if protocol.parent.name == "det_configs":
        from transfer.tasks.detection import DETECTION as task
    else:
        from transfer.tasks.segmentation import SEGMENTATION as task
    config = load_config(str(protocol), ("model.backbone.norm_eval=True", "model.backbone.norm_frozen=True"))
    derived = derived_settings(config)
    before = dict(leaves(config.model.to_dict(), "model"))
    task.set_classes(config, ("a", "b", "c"))
    task.set_channels(config, open_bundle("random:mobilenet_v1_025", 3))
    config.model.backbone.update(bundle="x", seed=3)
    after = dict(leaves(config.model.to_dict(), "model"))
    assert {key for key, value in after.items() if before.get(key, ...) != value} == derived.keys()
