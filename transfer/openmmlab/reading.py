"""OpenMMLab's data sets read lists and annotations as the checks before a training have read them.

mmdet 3.3 takes a byte-order mark and blanks at the end of a line for parts of a name. It
stops at an empty ``<difficult>``, and drops images whose ``<size>`` is recorded as 0 x 0 and objects whose class has
blanks around it. mmseg 1.2 keeps the byte-order mark.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import mmengine

from backbones.errors import UserError
from backbones.machine.versions import is_version
from transfer.data.text_file import read_lines
from transfer.data.voc_annotation import settle

# Whose places of looking things up are taken here.
WRITTEN_FOR = {"mmdet": ("mmdet", "3.3.0"), "mmseg": ("mmsegmentation", "1.2.2")}


def read_as_checked(framework: str) -> None:
    """Put the checks' reading in the place of OpenMMLab's, for this process and those it starts.

    Args:
        framework: "mmdet" or "mmseg", whose ops must be answered for already.

    Raises:
        UserError: It is another version than this was written for, which may read elsewhere.
    """
    package, written_for = WRITTEN_FOR[framework]
    if not is_version(package, written_for):
        raise UserError(f"{package} {written_for} is needed: what is checked has to be what is trained on; install it")
    if framework == "mmdet":
        from mmdet.datasets import xml_style

        xml_style.list_from_file = _list_from_file
        xml_style.ET = _Annotations
    else:
        mmengine.list_from_file = _list_from_file  # which mmseg looks up there


def _list_from_file(filename: str, backend_args: dict[str, Any] | None = None) -> list[str]:
    return read_lines(Path(filename), "image names")


class _Annotations:
    """As much of ``xml.etree.ElementTree`` as mmdet uses."""

    @staticmethod
    def parse(path: str) -> ElementTree.ElementTree:
        tree = ElementTree.parse(path)
        settle(tree.getroot())
        return tree  # type: ignore[return-value]  # the root that a parsed file has is never None
