"""The loader processes of a transfer end as those of a training do."""

from __future__ import annotations

import os
import signal
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from pytest import fixture, raises

from backbones.data.loader_processes import WatchedLoader
from backbones.errors import MachineError
from transfer.run.runner import QuietRunner


@fixture
def deadly() -> Any:
    """A data set whose second sample kills the process that loads it."""

    @DATASETS.register_module(force=True)
    class Deadly(BaseDataset):
        def load_data_list(self) -> list[dict[str, int]]:
            return [{"place": place} for place in range(2)]

        def __getitem__(self, index: int) -> int:
            if index == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return index

    yield "Deadly"
    DATASETS.module_dict.pop("Deadly")


def test_a_killed_worker_of_a_transfer_is_one_line(deadly: str) -> None:
    sampler = {"type": "DefaultSampler", "shuffle": False}
    settings = {"dataset": {"type": deadly}, "sampler": sampler, "batch_size": 1, "num_workers": 1}
    loader = QuietRunner.build_dataloader(settings, seed=0)
    assert type(loader) is WatchedLoader
    with raises(MachineError, match=r"a loader worker died \(SIGKILL\).*use fewer --workers"):
        list(loader)
