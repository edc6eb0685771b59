"""The hash of a downstream configuration: pinned for every shipped protocol, so that finished runs stay comparable."""

from __future__ import annotations

from pathlib import Path

from pytest import fixture, mark

from transfer.openmmlab import ops_bridge
from transfer.protocol.identity import config_hash, former_hash
from transfer.protocol.load import load_config

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = sorted(path for folder in ("det_configs", "seg_configs") for path in (ROOT / folder).glob("*.py"))
# Whoever changes one of these makes every finished run under that protocol one that no new run is compared with: say
# so in CHANGELOG.md.
PINNED = {
    "faster_rcnn_c4_voc07": "e94b1b9fd872",
    "faster_rcnn_c4_voc0712": "6dc18048ebf1",
    "faster_rcnn_fpn_coco": "e41aced7f5ce",
    "faster_rcnn_fpn_adamw_voc07": "a44e2cc84fe7",
    "faster_rcnn_fpn_adamw_voc0712": "211677f5c22d",
    "faster_rcnn_fpn_narrow_voc07": "0901a7b5e400",
    "faster_rcnn_fpn_demo": "5667585146b2",
    "faster_rcnn_fpn_voc07": "e2bb8cb1b6c3",
    "faster_rcnn_fpn_voc0712": "0827ba63b0f3",
    "faster_rcnn_simple_fpn_voc07": "f7a975f6ac7b",
    "faster_rcnn_simple_fpn_voc0712": "ac0c059ee63e",
    "fcn_os8_ade20k": "129d85c0d5af",
    "fcn_os8_demo": "c8951fb976c7",
    "fcn_os8_index_png": "8eef88d3602b",
    "linear_ade20k": "6dbefb17b191",
    "linear_index_png": "d2f90da35235",
    "upernet_adamw_ade20k": "3c87d3cad0fa",
    "upernet_adamw_index_png": "05659d33056b",
    "upernet_ade20k": "821048c2b6ef",
    "upernet_index_png": "edeeb5a83d1e",
    "upernet_simple_fpn_ade20k": "36b51ff2a808",
    "upernet_simple_fpn_index_png": "309f95ca1689",
}


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def test_every_protocol_is_pinned() -> None:
    assert set(PINNED) == {path.stem for path in PROTOCOLS}


@mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_the_hash_of_a_protocol_is_what_it_was(path: Path) -> None:
    assert config_hash(load_config(str(path), ()), "fp32") == PINNED[path.stem]


@mark.parametrize(
    ("name", "former"),
    [
        ("det_configs/faster_rcnn_fpn_voc07", "5a84d56a05d5"),
        ("det_configs/faster_rcnn_fpn_voc0712", "4724f97bc8e2"),
        ("seg_configs/fcn_os8_ade20k", "01940acf8a24"),
        ("seg_configs/fcn_os8_index_png", "3acad5c2bafd"),
    ],
)
def test_the_hash_that_older_versions_recorded_is_known(name: str, former: str) -> None:
    """As these recorded it, before names of the project's own modules were left out."""
    assert former_hash(load_config(str(ROOT / f"{name}.py"), ()), "fp32") == former


def test_what_counts_and_what_does_not() -> None:
    config = load_config(str(ROOT / "det_configs/faster_rcnn_fpn_voc07.py"), ())
    before = config_hash(config, "fp32")
    assert config_hash(config, "bf16") != before
    config.custom_imports = {"imports": ["somewhere.else"]}
    config.model.backbone.bundle = "other.safetensors"
    config.train_dataloader.num_workers = 7
    config.train_dataloader.dataset.data_root = "/elsewhere"
    assert config_hash(config, "fp32") == before
    config.model.neck.out_channels = 64
    assert config_hash(config, "fp32") != before
