"""Too little memory, wherever it shows: one message with the ways out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.openmmlab import ops_bridge
from transfer.protocol.total_batch import TotalBatch
from transfer.run.out_of_memory import lack_of_memory_explained
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.segmentation import SEGMENTATION

PROTOCOL = Path(__file__).resolve().parents[3] / "seg_configs/fcn_os8_demo.py"
TOO_MUCH = 2**47  # bytes: more than a process can address
BATCH = TotalBatch(12, processes=2, accumulate=2)
CUDA_WORDS = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB.\n" + "See the documentation. " * 20


def ask_for_too_much(*_: Any, **__: Any) -> None:
    torch.empty(TOO_MUCH, dtype=torch.uint8)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(CUDA_WORDS),
        MemoryError(),
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nDefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["GPU", "Python", "loading process"],
)
def test_every_kind_is_explained(error: Exception) -> None:
    with pytest.raises(UserError) as caught, lack_of_memory_explained(BATCH):
        raise error
    message = str(caught.value)
    assert message.startswith("out of memory: ")
    assert "--accumulate 3 for the same total batch" in message
    assert "--precision bf16" in message
    assert "scale" in message
    assert "\n" not in message
    assert len(message) < 600


def test_parts_of_one_image_are_the_smallest() -> None:
    with pytest.raises(UserError, match="a smaller --total-batch"), lack_of_memory_explained(TotalBatch(4, 2, 2)):
        raise MemoryError


def test_the_hosts_own_is_recognised() -> None:
    with pytest.raises(UserError, match=r"out of memory: .*allocate"), lack_of_memory_explained(BATCH):
        ask_for_too_much()


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"), lack_of_memory_explained(BATCH):
        raise RuntimeError("shapes do not fit")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes") / "data"
    return make_shapes(out, images=6, size=64, layouts=("segmentation",)) / "ADEChallengeData2016"


@pytest.mark.parametrize(
    ("place", "dry"),
    [
        ("mmseg.models.EncoderDecoder.loss", False),
        ("mmseg.models.EncoderDecoder.predict", False),
        ("mmseg.models.EncoderDecoder.loss", True),
        ("mmseg.models.EncoderDecoder.predict", True),
    ],
)
def test_training_and_evaluation_say_what_to_do(
    place: str, dry: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops_bridge.install()  # before mmseg is imported
    monkeypatch.setattr(place, ask_for_too_much)
    options = TransferOptions(
        config=str(PROTOCOL),
        backbone="random:mobilenet_v1_025",
        out=None if dry else str(tmp_path / "run"),
        data=str(data),
        workers=0,
        dry_run=dry,
        total_batch=2,
        cfg_options=("train_cfg.max_iters=1",),
    )
    with pytest.raises(UserError, match=r"^out of memory: .*--accumulate 2 for .*test_dataloader.batch_size=1"):
        run_transfer(SEGMENTATION, options)
    if "loss" in place:
        assert list(tmp_path.iterdir()) == []  # nothing was trained
