"""A training by iterations, resumed: the images come in the order of one that never stopped, and none is read twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

from backbones.data.shapes import make_shapes
from transfer.run.hooks import ProgressHook
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.segmentation import SEGMENTATION

PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_demo.py"
STEPS, BATCH, STOP, DONE = 12, 2, 9, 8  # more than one pass through the seven images


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=7, size=64, layouts=("segmentation",)) / "ADEChallengeData2016"


class Watch:
    """The images of each step, and those that were read before the first one."""

    def __init__(self, patch: pytest.MonkeyPatch, stop: int | None = None) -> None:
        self.batches: list[list[str]] = []
        self.read: list[int] = []
        self.read_before: int | None = None
        after, prepare = ProgressHook.after_train_iter, BaseDataset.prepare_data

        def watched(hook: ProgressHook, runner: Runner, *arguments: Any, **named: Any) -> None:
            after(hook, runner, *arguments, **named)
            if self.read_before is None:
                self.read_before = len(self.read)
            self.batches.append([Path(sample.img_path).stem for sample in named["data_batch"]["data_samples"]])
            if runner.iter + 1 == stop:
                raise KeyboardInterrupt

        def counted(dataset: BaseDataset, index: int) -> Any:
            self.read.append(index)
            return prepare(dataset, index)

        patch.setattr(ProgressHook, "after_train_iter", watched)
        patch.setattr(BaseDataset, "prepare_data", counted)


def run(data: Path, out: Path, workers: int, resume: bool = False) -> None:
    options = (f"train_cfg.max_iters={STEPS * BATCH // 8}", "default_hooks.checkpoint.interval=4")
    run_transfer(
        SEGMENTATION,
        TransferOptions(
            config=str(PROTOCOL),
            backbone="random:mobilenet_v1_025",
            out=str(out),
            data=str(data),
            workers=workers,
            resume=resume,
            total_batch=BATCH,
            cfg_options=options,
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_goes_on_and_nothing_is_read_for_nothing(workers: int, data: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = Watch(patch)
        run(data, tmp_path / "whole", workers)
    with pytest.MonkeyPatch.context() as patch:
        first = Watch(patch, stop=STOP)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "run", workers)
    # Loading processes of the first part may still be there, and have inherited the lock of its folder.
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    with pytest.MonkeyPatch.context() as patch:
        second = Watch(patch)
        run(data, tmp_path / "copy", workers, resume=True)
    assert len(whole.batches) == STEPS
    assert len({image for batch in whole.batches for image in batch}) == 7
    assert first.batches == whole.batches[:STOP]
    assert second.batches == whole.batches[DONE:]
    assert second.batches != whole.batches[: STEPS - DONE]  # or starting over would do as well
    if workers == 0:  # else other processes read
        assert first.read_before == second.read_before == BATCH
