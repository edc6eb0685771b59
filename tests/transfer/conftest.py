"""What several tests of transfers need: a quick C4 protocol."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def small_c4() -> tuple[str, ...]:
    """Options that make a C4 protocol quick: small images, few proposals."""
    return (
        "train_dataloader.dataset.pipeline.2.scale=(64,64)",
        "test_dataloader.dataset.pipeline.1.scale=(64,64)",
        "model.rpn_head.feat_channels=32",
        "model.train_cfg.rpn_proposal.max_per_img=20",
        "model.train_cfg.rcnn.sampler.num=8",
        "model.test_cfg.rpn.max_per_img=10",
    )
