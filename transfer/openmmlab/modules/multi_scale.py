"""Both protocols in one evaluation: every test image once as it is, and once averaged over scales and mirror images."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner, TestLoop

from transfer.openmmlab.unwrap import unwrap_model

PREFIX = "multi_scale/"


class BothProtocolsLoop(TestLoop):
    """mmengine's test loop, run a second time with the configuration's ``tta_model`` and ``tta_pipeline``.

    OpenMMLab's own names and test-time augmentation: each variant of an image is predicted, taken back to the size and
    side of the image, and ``SegTTAModel`` averages the class probabilities. The second run's metrics begin with
    ``PREFIX``.

    Args:
        runner: Holds the model and the configuration.
        dataloader: The configuration's ``test_dataloader``.
        evaluator: Its ``test_evaluator``.
    """

    def __init__(self, runner: Runner, dataloader: Config, evaluator: Config) -> None:
        augmented = copy.deepcopy(dataloader)
        augmented.dataset.pipeline = runner.cfg.tta_pipeline
        self.second = TestLoop(runner, augmented, copy.deepcopy(evaluator))
        super().__init__(runner, dataloader, evaluator)
        self.averaging_model = MODELS.build({**runner.cfg.tta_model, "module": unwrap_model(runner)})

    def run(self) -> dict[str, Any]:
        """Metrics of both runs."""
        single = super().run()
        with self.averaging() as second:
            averaged = second.run()
        return {**single, **{f"{PREFIX}{name}": value for name, value in averaged.items()}}

    @contextmanager
    def averaging(self) -> Iterator[TestLoop]:
        """The loop of the second run, while the runner's model is the one that averages."""
        model = self.runner.model
        self.runner.model = self.averaging_model
        try:
            yield self.second
        finally:
            self.runner.model = model
