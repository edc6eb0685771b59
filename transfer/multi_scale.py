"""Both protocols in one evaluation: every test image once as it is, and once averaged over scales and mirror images."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner, TestLoop

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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.averaging_model = MODELS.build({**runner.cfg.tta_model, "module": model})

    def run(self) -> dict[str, Any]:
        """Metrics of both runs."""
        single = super().run()
        model = self.runner.model
        self.runner.model = self.averaging_model
        try:
            averaged = self.second.run()
        finally:
            self.runner.model = model
        return {**single, **{f"{PREFIX}{name}": value for name, value in averaged.items()}}
