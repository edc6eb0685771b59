"""The segmentor beside mmsegmentation with what its own configuration offers for speed on a CPU, images/s.

As in the section on the training step of a segmentor, but for the stock side: PyTorch's fused SGD, and loader processes
that stay. BatchNorm estimates its statistics here, so it cannot be folded into convolutions; mmengine refuses 16 bits
on a CPU, and channels_last is none of its settings.
"""

from __future__ import annotations

from benchmarks.cases.training.segmentation_step import works
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.openmmlab_comparison import TUNED, compare_both

TITLE = "A segmentor beside mmsegmentation at its best, images/s"
QUICK = False
AIM = 1.0


def measure(settings: Settings) -> Findings:
    """The same work as the other section's."""
    return compare_both(works(settings), AIM, None, TUNED)
