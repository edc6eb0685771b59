"""Training and evaluating a fully convolutional network at output stride 8, images/s of the whole loop on all
processors.

Stock is mmengine's `Runner` with mmsegmentation's `fcn_r50-d8_4xb4-80k_ade20k-512x512` as installed: float32, NCHW;
plain BatchNorm, since SyncBN does not run on a CPU. Ours is `tools/transfer_seg.py` with
`seg_configs/fcn_os8_ade20k.py`, given mmsegmentation's head, pipeline, loss weights and optimizer. So network,
initial weights, data, order, augmentation, batch and crop are the same; images are loaded by the configuration's
processes, which are stopped between turns. Evaluation is at one scale, without the averages at its end.
"""

from __future__ import annotations

from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.openmmlab_comparison import compare_both
from benchmarks.subjects.openmmlab_loops import Work
from benchmarks.subjects.scenes import write_ade20k

TITLE = "Training step and evaluation of a segmentor, images/s"
QUICK = False
AIM = 1.8
SMALL, USUAL = "R50-D8, crop 128, batch 4", "R50-D8, crop 512, batch 2"


def measure(settings: Settings) -> Findings:
    """Small crops only in a quick run; their losses in a thorough one."""
    return compare_both(works(settings), AIM, None if settings.quick else SMALL)


def works(settings: Settings) -> dict[str, Work]:
    """What there is to do, by what the document calls it."""
    turns = 1 + (2 if settings.quick else settings.rounds)
    images = settings.amount(2, 1)
    data = write_ade20k(settings.scratch / "data", 32, turns * images)
    found = {}
    for title, crop, batch, steps in ((SMALL, 128, 4, settings.amount(4, 1)), (USUAL, 512, 2, 1)):
        folder = settings.scratch / str(crop)
        folder.mkdir()
        found[title] = Work("segmentation", 50, (crop, crop), batch, data, folder, turns, steps, images)
    if settings.quick:
        del found[USUAL]
    return found
