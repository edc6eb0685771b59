"""What a tuned run may change and what it records: hashes of real protocols, with and without what may be tuned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest import fixture, mark, raises

from backbones.errors import UserError
from studies.comparison.compare import compare_runs
from transfer.openmmlab import ops_bridge
from transfer.protocol.identity import config_hash
from transfer.protocol.load import load_config
from transfer.protocol.total_batch import move_to
from transfer.protocol.tunable import describe_tuning, without_tunable

ROOT = Path(__file__).resolve().parents[3]
PROTOCOLS = sorted([*ROOT.glob("det_configs/*.py"), *ROOT.glob("seg_configs/*.py")])
CLIPPED = "optim_wrapper.clip_grad={'max_norm': 1.0}"
SLOW_BACKBONE = "optim_wrapper.paramwise_cfg={'custom_keys': {'backbone': {'lr_mult': 0.3}}}"


@fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()


def hashes(protocol: Path, *options: str, precision: str = "bf16", total_batch: int | None = None) -> tuple[str, str]:
    """The whole hash, and the one without what may be tuned."""
    config = load_config(str(protocol), options)
    move_to(config, total_batch or config.base_batch_size)
    whole, fixed = (config_hash(each, precision) for each in (config, without_tunable(config)))
    assert config_hash(config, precision) == whole  # the original keeps what its copy lost
    return whole, fixed


@mark.parametrize("protocol", PROTOCOLS, ids=lambda path: path.stem)
def test_tuning_changes_the_hash_and_not_the_fixed_one(protocol: Path) -> None:
    whole, fixed = hashes(protocol)
    rate = "optim_wrapper.optimizer.lr=0.5"
    for options in ((rate,), (CLIPPED,), (SLOW_BACKBONE,), ("param_scheduler=[]",), (rate, "param_scheduler=[]")):
        tuned = hashes(protocol, *options)
        assert tuned[0] != whole
        assert tuned[1] == fixed
    assert fixed != whole


@mark.parametrize(
    "option",
    [
        "train_cfg.max_epochs=3",
        "optim_wrapper.type=AmpOptimWrapper",
        "model.backbone.frozen_stages=3",
        "model.rpn_head.loss_cls.loss_weight=2.0",
        "model.test_cfg.rcnn.max_per_img=300",
        "default_hooks.checkpoint.interval=7",
    ],
)
def test_everything_else_changes_the_fixed_hash(option: str) -> None:
    protocol = ROOT / "det_configs/faster_rcnn_fpn_voc07.py"
    assert hashes(protocol, option)[1] != hashes(protocol)[1]
    assert hashes(protocol, option, "optim_wrapper.optimizer.lr=0.5")[1] == hashes(protocol, option)[1]


def test_another_total_batch_changes_the_fixed_hash() -> None:
    protocol = ROOT / "det_configs/faster_rcnn_fpn_voc07.py"
    assert hashes(protocol, total_batch=8) == hashes(protocol)
    assert hashes(protocol, total_batch=4)[1] != hashes(protocol)[1]


def test_a_tuned_run_that_changes_the_batch_size_is_refused(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    protocol, rate = ROOT / "det_configs/faster_rcnn_fpn_voc07.py", "optim_wrapper.optimizer.lr=0.5"

    def add(root: Path, folder: str, *options: str, total_batch: int = 8, **tuned: Any) -> Path:
        whole, fixed = hashes(protocol, *options, total_batch=total_batch)
        path = add_run(
            root, "detection", "b-standard", (50, 50), folder=folder, config_hash=whole, fixed_hash=fixed, **tuned
        )
        return path / "result.json"

    for name, total_batch in (("alike", 8), ("unlike", 1)):
        fixed = add(tmp_path / name, "fixed")
        tuned = add(tmp_path / name, "tuned", rate, total_batch=total_batch, **describe_tuning((rate,), 5))
    assert len(compare_runs(tmp_path / "alike").tuned) == 1
    with raises(UserError) as caught:
        compare_runs(tmp_path / "unlike")
    assert str(caught.value).startswith(f"{fixed} and {tuned}, which is tuned: ")
    assert "\n" not in str(caught.value)


def test_protocols_and_arithmetic_have_fixed_hashes_of_their_own() -> None:
    found = {hashes(protocol, precision=precision)[1] for protocol in PROTOCOLS for precision in ("bf16", "fp32")}
    assert len(found) == 2 * len(PROTOCOLS)


def test_a_run_records_its_search_and_what_it_changed() -> None:
    options = (
        "train_cfg.max_epochs=1",  # not tuned: changed for all rows alike, or the comparison refuses the run
        "optim_wrapper.optimizer.lr=0.01",
        "optim_wrapper.optimizer.lr=0.02",
        "optim_wrapper={'optimizer': {'momentum': 0.8}}",
        "optim_wrapper.type=AmpOptimWrapper",
        "param_scheduler.0.power=0.5",
        "param_schedulers=1",
    )
    assert describe_tuning(options, 5) == {
        "tuned": {
            "search": 5,
            "changed": {
                "optim_wrapper.optimizer.lr": "0.02",  # the last one counts
                "optim_wrapper": "{'optimizer': {'momentum': 0.8}}",
                "param_scheduler.0.power": "0.5",
            },
        }
    }
    assert describe_tuning(options, None) == {}
    assert describe_tuning((), 2) == {"tuned": {"search": 2, "changed": {}}}  # the protocol's own values won


@mark.parametrize("search", [1, 0])
def test_a_search_over_less_than_two_is_refused(search: int) -> None:
    with raises(UserError, match=f"^--tuned-over {search}: a search tries 2 configurations or more"):
        describe_tuning((), search)
