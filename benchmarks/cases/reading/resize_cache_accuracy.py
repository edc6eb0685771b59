"""What images made smaller once cost in accuracy: top-1 in percent after equal epochs, by seed.

ImageNet's sizes (500 x 375, made smaller to a short side of 256, trained at 224) divided by 5.6, so that it takes
minutes: rendered squares of 67 pixels, made smaller to 46, and a view of 40. Crops of less than 40 pixels are then
enlarged from fewer pixels than before, and the validation images are those of the smaller data, as they are for a user.
`tools/train_cls.py --recipe d-smooth` trains on either. A difference is to be seen beside the noise of the seeds, and
says nothing about photographs.
"""

from __future__ import annotations

from pathlib import Path

from backbones.data.folders.image_folder import open_image_folder
from backbones.data.shapes import make_shapes
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings
from benchmarks.subjects.accuracy import ours, over_seeds
from transfer.prepare.resize_cache import resize_split

TITLE = "Accuracy with images made smaller once"
QUICK = False
ORIGINAL, SHORT_SIDE = 67, 46


def measure(settings: Settings) -> Findings:
    """Seed by seed."""
    shapes = make_shapes(
        settings.scratch / "shapes", images=settings.amount(1200, 64), size=ORIGINAL, layouts=["classification"]
    )
    data = shapes / "classification"
    contenders = {
        "originals": (ours, data),
        "made smaller": (ours, make_smaller(data, settings.scratch / "smaller")),
    }
    classes = len(list((data / "train").iterdir()))
    return Findings(figures=over_seeds(contenders, settings.scratch, classes, settings.amount(3, 1)))


def make_smaller(data: Path, out: Path) -> Path:
    """As `tools/prepare_data.py resize-cache`, which has no such small sizes."""
    folder = open_image_folder(data)
    for split in (folder.train, folder.val):
        resize_split(split, out / split.root.name, SHORT_SIDE, workers=1)
    return out
