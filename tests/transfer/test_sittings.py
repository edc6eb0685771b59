"""A training in two sittings: stopped, continued, and timed as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner

from backbones.data.shapes import make_shapes
from transfer.hooks import ProgressHook
from transfer.run import TransferOptions, run_transfer
from transfer.segmentation import SEGMENTATION

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("train_cfg.max_iters=6", "default_hooks.checkpoint.interval=2", "train_dataloader.batch_size=2")
LONG_AGO = 1000.0  # seconds


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=9, size=64, layouts=("segmentation",)) / "ADEChallengeData2016"


def run(data: Path, out: Path, resume: bool = False) -> dict[str, Any]:
    return run_transfer(
        SEGMENTATION,
        TransferOptions(
            config=str(ROOT / "seg_configs/fcn_os8_demo.py"),
            backbone="random:mobilenet_v1_025",
            out=str(out),
            data=str(data),
            workers=0,
            resume=resume,
            cfg_options=[
                "train_cfg.max_iters=6",
                "default_hooks.checkpoint.interval=2",
                "train_dataloader.batch_size=2",
            ],
        ),
    )


def test_it_goes_on_at_the_last_checkpoint_wherever_the_folder_is_now(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = ProgressHook.after_train_iter
    steps: list[int] = []

    def stopped(self: ProgressHook, runner: Runner, *arguments: Any, **named: Any) -> None:
        after(self, runner, *arguments, **named)
        steps.append(runner.iter + 1)
        if steps == [1, 2, 3, 4, 5]:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressHook, "after_train_iter", stopped)
    with pytest.raises(KeyboardInterrupt, match="continue with --resume"):
        run(data, tmp_path / "run")
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    last = moved / "openmmlab/iter_4.pth"
    checkpoint = torch.load(last, weights_only=True)
    assert 0 < checkpoint["meta"]["train_seconds"] < LONG_AGO
    checkpoint["meta"]["train_seconds"] = LONG_AGO
    torch.save(checkpoint, last)
    (moved / "openmmlab/last_checkpoint").write_text("")  # what a kill leaves of a file being written

    result = run(data, moved, resume=True)
    assert steps == [1, 2, 3, 4, 5, 5, 6]
    timings = result["timings"]
    assert LONG_AGO < timings["train_seconds"] < 2 * LONG_AGO
    assert timings["total_seconds"] == pytest.approx(timings["train_seconds"] + timings["test_seconds"], abs=0.02)
    records = [json.loads(line)["step"] for line in (moved / "metrics.jsonl").read_text().splitlines()]
    assert records == [1, 2, 3, 4, 5, 6]  # the fifth of the second sitting
    kept = sorted(path.name for path in (moved / "openmmlab").glob("*.pth"))
    assert kept == ["iter_4.pth", "iter_6.pth"]  # max_keep_ckpts=2 holds over both sittings


def test_the_proof_draws_no_random_number_of_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[torch.Tensor] = []
    prove = "transfer.run.prove"

    def watched(*arguments: Any) -> Any:
        from transfer.proof import prove as original

        torch.rand(5)
        return original(*arguments)

    for name in ("plain", "watched"):
        with monkeypatch.context() as patch:
            if name == "watched":
                patch.setattr(prove, watched)
            run(data, tmp_path / name)
        checkpoint = torch.load(tmp_path / name / "openmmlab/iter_6.pth", weights_only=True)
        states.append(torch.cat([value.flatten().float() for value in checkpoint["state_dict"].values()]))
    assert torch.equal(*states)
