"""Training and evaluating Faster R-CNN with a feature pyramid, images/s of the whole loop on all processors.

Stock is mmengine's `Runner` with mmdet's `faster-rcnn_r50_fpn_1x_voc0712` as installed: float32, NCHW. mmcv's
compiled operations have no wheel for this PyTorch, so RoIAlign is torchvision's (mmcv's `use_torchvision`) and so is
NMS; both libraries compute RoIAlign's gradient on one thread. Ours is `tools/transfer_det.py` with `det_configs`.
Network, initial weights, data, order, flips, batch, image size and optimizer are the same, and images are loaded by
the configuration's two processes, which are stopped between turns. Evaluation is without the average precision at its
end. Weights are random: proposals are as at the start of a training.
"""

from __future__ import annotations

from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.openmmlab_comparison import compare_both
from benchmarks.subjects.openmmlab_loops import Work
from benchmarks.subjects.scenes import write_voc

TITLE = "Training step and evaluation of a detector, images/s"
QUICK = True
AIM = 2.5
SMALL, USUAL = "R18-FPN, 320 x 240, batch 2", "R50-FPN, 500 x 300, batch 2"
BOXES = 3


def measure(settings: Settings) -> Findings:
    """The small network only in a quick run; its losses in a thorough one."""
    return compare_both(works(settings), AIM, None if settings.quick else SMALL)


def works(settings: Settings) -> dict[str, Work]:
    """What there is to do, by what the document calls it."""
    turns = 1 + (2 if settings.quick else settings.rounds)
    images = settings.amount(6, 2)
    data = write_voc(settings.scratch / "data", 32, turns * images, BOXES)
    found = {}
    for title, depth, size, steps in ((SMALL, 18, (320, 240), settings.amount(3, 1)), (USUAL, 50, (500, 300), 2)):
        folder = settings.scratch / str(depth)
        folder.mkdir()
        found[title] = Work("detection", depth, size, 2, data, folder, turns, steps, images)
    if settings.quick:
        del found[USUAL]
    return found
