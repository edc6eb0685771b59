"""Learning rate warmup (Section 3.1): start small and grow linearly while the weights are still far from any solution.

=========  ==========================================================================================================
formula    at batch i = 1 .. m of the first m batches, learning rate = i / m * initial learning rate
default    m = the batches of 5 epochs of 120 (the paper's example, and what its Figure 3a shows)
cost       none
paper      ResNet-50 top-1, Table 4: 75.87 -> 76.03 at batch 256, 75.17 -> 75.93 at batch 1024
elsewhere  Detectron starts at 1/3 of the rate and mmdetection's configs at 1/1000 instead of 1/m; timm raises it once
           per epoch unless told otherwise
=========  ==========================================================================================================
"""

from __future__ import annotations

from backbones.tricks.trick import Trick


def warmup_factor(batch: int, warmup_batches: int) -> float:
    """Factor on the learning rate at ``batch`` (counted from 1, as in the paper); 1 once the warmup is over."""
    return batch / warmup_batches if batch < warmup_batches else 1.0


# No hook: the schedule of every recipe has a warmup, of 0 batches without the trick. The highest is the whole run, by
# the shortest recipe.
TRICK = Trick(field="warmup_epochs", on=5, off=0, lowest=0, highest=120)
