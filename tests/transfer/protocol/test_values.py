"""Values of a configuration that are refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.errors import UserError
from transfer.protocol.load import load_config
from transfer.protocol.values import check_kind

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "seg_configs/fcn_os8_demo.py"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("optim_wrapper.optimizer.lr=abc", "optim_wrapper.optimizer.lr=abc: the configuration has a number there"),
        ("optim_wrapper.optimizer.lr=0", "optim_wrapper.optimizer.lr is 0 where a number above 0"),
        ("optim_wrapper.optimizer.lr=1e999", "optim_wrapper.optimizer.lr is inf where a number above 0"),
        ("optim_wrapper.optimizer.lr=None", "optim_wrapper.optimizer.lr is not set"),
        ("optim_wrapper.optimizer.weight_decay=-1", "weight_decay is -1 where a number from 0"),
        ("optim_wrapper.optimizer.weight_decay=[1]", r"weight_decay is \[1\] where a number from 0"),
        ("train_cfg.max_iters=-1", "train_cfg.max_iters is -1 where a whole number from 1"),
        ("train_cfg.max_iters=0", "train_cfg.max_iters is 0 where"),
        ("train_cfg.max_iters=2.5", "train_cfg.max_iters is 2.5 where"),
        ("train_cfg.max_iters=None", "neither train_cfg.max_iters nor train_cfg.max_epochs"),
        ("train_cfg.max_iters.foo=1", "no place 'foo' there"),
        ("train_cfg=None", "train_cfg is not set"),
        ("train_cfg=5", "has a section"),
        ("train_dataloader.batch_size=8", "batch_size: a run trains .* with --total-batch N; --accumulate N"),
        ("train_dataloader={'batch_size': 2}", "train_dataloader.batch_size: a run trains .* with --total-batch N"),
        ("optim_wrapper.accumulative_counts=2", "accumulative_counts: a run trains .* with --total-batch N; --accu"),
        ("train_dataloader.num_workers=-1", "train_dataloader.num_workers is -1 where a whole number from 0"),
        ("base_batch_size=4", "base_batch_size: a run trains .* with --total-batch N"),
        ("param_scheduler=PolyLR", "has a list"),
        ("param_scheduler.9={}", "no place '9' there"),
        ("model.backbone.norm_eval=false", "write False, as in Python"),
        ("multi_scale=yes", "the configuration has True or False there"),
        ("default_hooks.checkpoint.interval=often", "has a number there"),
    ],
)
def test_options_are_refused_by_name(option: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(str(DEMO), (option,))


def test_good_options_pass() -> None:
    options = (
        "optim_wrapper.optimizer.lr=1",
        "optim_wrapper.optimizer.weight_decay=0",
        "optim_wrapper.clip_grad={'max_norm': 5}",
        "train_cfg.max_iters=7",
        "model.backbone.norm_eval=True",
        "param_scheduler.0.power=1",
        "train_dataloader.dataset.pipeline.2.crop_size=[64, 64]",
        "multi_scale=True",
    )
    config = load_config(str(DEMO), options)
    assert config.optim_wrapper.optimizer.lr == 1
    assert config.optim_wrapper.clip_grad == {"max_norm": 5}
    assert config.model.backbone.norm_eval is True
    assert config.param_scheduler[0].power == 1


def test_what_a_file_lacks_an_option_may_bring(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"_base_ = {str(DEMO)!r}\nbase_batch_size = None\nparam_scheduler = None\n")
    with pytest.raises(UserError, match=r"mine\.py: base_batch_size is not set"):
        load_config(str(tmp_path / "mine.py"), ())
    assert load_config(str(tmp_path / "mine.py"), ("base_batch_size=4",)).base_batch_size == 4


@pytest.mark.parametrize("batch", [0, True, 2.0])
def test_the_batch_of_a_file_is_a_whole_number(batch: object, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"_base_ = {str(DEMO)!r}\nbase_batch_size = {batch}\n")
    with pytest.raises(UserError, match=rf"mine\.py: base_batch_size is {batch} where a whole number from 1"):
        load_config(str(tmp_path / "mine.py"), ())


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("train_dataloader = dict(batch_size=8)", "train_dataloader.batch_size is 8"),
        ("optim_wrapper = dict(accumulative_counts=2)", "optim_wrapper.accumulative_counts is 2"),
    ],
)
def test_a_file_does_not_state_the_batch_twice(line: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"_base_ = {str(DEMO)!r}\n{line}\n")
    with pytest.raises(UserError, match=rf"mine\.py: {key}, but base_batch_size is the total batch"):
        load_config(str(tmp_path / "mine.py"), ())


def test_kinds() -> None:
    for present, value in ((1, 2.5), (1, None), (None, "word"), ("word", 3), ([1], (2,)), (True, False), (1, [2])):
        check_kind("key", present, value)
    for present, value in ((1, "two"), (True, "yes"), ([1], 2), ({}, []), ({}, "word"), (None, "none")):
        with pytest.raises(UserError, match="key="):
            check_kind("key", present, value)
