"""For OpenMMLab's own scripts: importing this registers all that a configuration of this project names.

``transfer.run.dump`` writes it into the ``custom_imports`` of the configurations that it makes.
"""

from __future__ import annotations

from transfer.openmmlab import ops_bridge

ops_bridge.install()  # before anything imports mmdet's models

from transfer import detection_metric, drawn_share, segmentation_metric  # noqa: E402, F401 -- what they register
from transfer.openmmlab import checkpoints, passes, trunk  # noqa: E402, F401 -- what they register
from transfer.openmmlab.reading import read_as_checked  # noqa: E402 -- imports what the ops are answered for
from transfer.openmmlab.speed import hook  # noqa: E402, F401 -- what it registers

for framework in ("mmdet", "mmseg"):
    read_as_checked(framework)
