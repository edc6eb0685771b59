"""What a data set of ImageNet's size costs, on trees of hard links to a few made-up photographs: listing it, asking for
the state of each file (the least that any index must do which is not to believe something stale), finding all of it in
the record of images that decoded, drawing the order of an epoch; and memory, where "resident" counts what processes
share in each of them, "proportional" in equal parts. Decoding everything once is not part of it. The aim is a cost per
image that does not grow with their number; a quick run goes up to 40,000 images. Times are those of the clock on the
wall.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness.by_size import by_size, figures_of
from benchmarks.harness.findings import Findings
from benchmarks.harness.settings import Settings

TITLE = "Large data sets"
QUICK = True
SIZES, QUICK_SIZES = (10_000, 100_000, 1_281_167), (10_000, 40_000)
CLASSES, DECODE, WORKERS = 1000, 200, 2
PROGRAM = """
import json, sys
from pathlib import Path
from benchmarks.subjects.trees.index_tree import IndexRequest, measure_index
print(json.dumps(measure_index(Path(sys.argv[1]), IndexRequest(*map(int, sys.argv[2:])))))
"""


def measure(settings: Settings) -> Findings:
    """All figures of each size; those in seconds also per image."""
    sizes = QUICK_SIZES if settings.quick else SIZES
    return by_size(sizes, lambda images: measure_size(settings.scratch, images))


def measure_size(scratch: Path, images: int, classes: int = CLASSES) -> dict[str, Any]:
    """Figures of a tree of this size, which is removed again."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return figures_of(PROGRAM, Path(folder, "cache"), folder, images, classes, DECODE, WORKERS)
