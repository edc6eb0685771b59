"""Which pairs of a folder are meant: those of a part, or of one side of a part that is divided."""

from __future__ import annotations

from backbones.data.folders.drawing_lots import HeldOut
from transfer.data.masks.coding import VOID
from transfer.data.masks.counting import counted, stamped
from transfer.data.masks.model import MaskFolder, MaskPair
from transfer.data.scenes.parts import draw_part, part_to_divide, require_part


def pairs_of(folder: MaskFolder, part: str, held_out: HeldOut | None = None) -> list[MaskPair]:
    """Images and masks of a part: ``train``, ``val`` or ``test``.

    To hold a part out so that each class gives its share, all masks are read, once.

    Raises:
        UserError: The folder has no such part, and ``held_out`` does not make it; or it has it, and ``held_out`` would;
            or a mask that is to be drawn from is missing or wrong (``Faults``).
    """
    if held_out is None:
        require_part(folder, part)
        return folder.parts[part]
    found = stamped(folder, folder.parts[part_to_divide(folder)])
    content = [{label for label in counts if int(label) != VOID} for counts in counted(folder, found)]
    names = [pair.image.relative_to(folder.root).as_posix() for pair in found.pairs]
    chosen = draw_part(folder.root, part, names, content, held_out)
    return [pair for pair, is_in in zip(found.pairs, chosen, strict=True) if is_in]
