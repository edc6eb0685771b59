"""The detector beside mmdetection with what its own configuration offers for speed on a CPU, images/s.

As in the section on the training step of a detector, but for the stock side: PyTorch's fused SGD, BatchNorm of the
trunk folded into its convolutions (mmengine's `efficient_conv_bn_eval`, which the configuration's `norm_eval` allows),
and loader processes that stay. mmengine refuses 16 bits on a CPU, and channels_last is none of its settings.
"""

from __future__ import annotations

from benchmarks.cases.training.detection_step import works
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.openmmlab_comparison import TUNED, compare_both

TITLE = "A detector beside mmdetection at its best, images/s"
QUICK = False
AIM = 1.0


def measure(settings: Settings) -> Findings:
    """The same work as the other section's."""
    return compare_both(works(settings), AIM, None, TUNED)
