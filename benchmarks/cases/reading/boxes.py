"""What a data set of COCO 2017's size (118,287 images, 860,001 boxes) costs to read and to check before a detector
trains on it, and what a quarter of it does: made-up annotations with outlines, in a file of the published one's size,
and hard links to small images. Reading the JSON, reading what the index in the cache keeps of it, looking at every box
and at the state of every file, and finding all that in the record of what was checked. The aims are at most 4 GB, and a
cost per image that does not grow with their number. Decoding every image once is not part of it: "Large data sets" has
how long that takes. Times are seconds of processor.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness.by_size import by_size, figures_of
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings

TITLE = "Boxes of COCO's size"
QUICK = True
SIZES, QUICK_SIZES = (29_571, 118_287), (1_000, 4_000)
PROGRAM = """
import json, sys
from pathlib import Path
from benchmarks.subjects.trees.box_tree import measure_boxes
print(json.dumps(measure_boxes(Path(sys.argv[1]), int(sys.argv[2]))))
"""


def measure(settings: Settings) -> Findings:
    """All figures of each size; those in seconds also per image."""
    sizes = QUICK_SIZES if settings.quick else SIZES
    return by_size(sizes, lambda images: measure_size(settings.scratch, images))


def measure_size(scratch: Path, images: int) -> dict[str, Any]:
    """Figures of a tree of this size, which is removed again."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return figures_of(PROGRAM, Path(folder, "cache"), Path(folder, "data"), images)
