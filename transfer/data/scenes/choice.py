"""Which scenes of a folder are meant: those of a part, or of one side of a part that is divided."""

from __future__ import annotations

from dataclasses import replace

from backbones.data.folders.drawing_lots import HeldOut
from transfer.data.scenes.index import indexed
from transfer.data.scenes.parts import draw_part, part_to_divide, require_part
from transfer.data.scenes.scene import Reading, SceneFolder


def scenes_of(folder: SceneFolder, part: str, held_out: HeldOut | None = None) -> Reading:
    """What is read of a part: ``train``, ``val`` or ``test``.

    Raises:
        UserError: The folder has no such part, and ``held_out`` does not make it; or it has it, and ``held_out`` would.
    """
    if held_out is None:
        require_part(folder, part)
        return indexed(folder.root, part, folder.parts[part])
    name = part_to_divide(folder)
    reading = indexed(folder.root, name, folder.parts[name])
    content = [{box.name for box in scene.boxes} for scene in reading.scenes]
    chosen = draw_part(folder.root, part, [scene.image for scene in reading.scenes], content, held_out)
    return replace(reading, scenes=[scene for scene, is_in in zip(reading.scenes, chosen, strict=True) if is_in])
