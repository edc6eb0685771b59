"""One VOC annotation: read as the training reads it, and held against its image and the list of classes."""

from __future__ import annotations

import math
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from backbones.errors import UserError
from transfer.data.faults import Fault, Faults


def read_annotation(path: Path) -> ElementTree.Element:
    """The root of an annotation, without what only looks like a statement (``settle``).

    Raises:
        UserError: It is not readable XML, or no annotation.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: a bad or unknown encoding
        raise UserError(f"{path} is not readable XML ({error}); restore it") from None
    if root.tag != "annotation":
        raise UserError(f"{path} is not a VOC annotation: its root is <{root.tag}>, not <annotation>")
    settle(root)
    return root


def settle(root: ElementTree.Element) -> None:
    """Write out what programs for annotation leave open, in place: mmdet would stop, or drop objects and images.

    An empty ``<difficult>`` (labelme) is 0, a ``<size>`` of 0 x 0 is not recorded, and blanks around a class's name are
    none of it. OpenMMLab reads annotations through this, too (``transfer.openmmlab.reading``).
    """
    for element in root.findall("object"):
        name, difficult = element.find("name"), element.find("difficult")
        if name is not None and name.text:
            name.text = name.text.strip()
        if difficult is not None and not (difficult.text or "").strip():
            difficult.text = "0"
    size = root.find("size")
    if size is not None and [(size.findtext(side) or "").strip() for side in ("width", "height")] == ["0", "0"]:
        root.remove(size)


def check_annotation(
    path: Path, image: Path, size: tuple[int, int] | None, classes: Sequence[str]
) -> list[tuple[str, bool]]:
    """Class and difficulty of each object.

    Args:
        path: The annotation.
        image: Its image, for messages.
        size: (width, height) of the image in pixels; None where it has none, and all else is checked.
        classes: Names that objects may have.

    Raises:
        UserError: Something is wrong with it; ``Faults`` where it is more than one thing.
    """
    root = read_annotation(path)
    objects, found = [], []
    try:
        if size is not None:
            _check_size(root, path, image, size)
    except UserError as error:
        found.append(Fault(path, str(error)))
    for number, element in enumerate(root.findall("object"), start=1):
        try:
            objects.append(_check_object(number, element, path, size, classes))
        except UserError as error:
            found.append(Fault(path, str(error)))
    if found:
        raise Faults(path.parent, found)
    return objects


def _check_size(root: ElementTree.Element, path: Path, image: Path, size: tuple[int, int]) -> None:
    element = root.find("size")
    if element is None:  # mmdet then decodes the image to learn its size
        return
    texts = (element.findtext("width"), element.findtext("height"))
    try:
        recorded = (int(texts[0] or ""), int(texts[1] or ""))
    except ValueError:
        raise UserError(
            f"{path}: <size> must hold whole numbers in <width> and <height>, not {texts}; the image is "
            f"{size[0]} x {size[1]}"
        ) from None
    if recorded != size:
        raise UserError(
            f"{path} records a size of {recorded[0]} x {recorded[1]}, but {image} is {size[0]} x "
            f"{size[1]}: the boxes were made on another version of the image; pair them again or correct <size>"
        )


def _check_object(
    number: int, element: ElementTree.Element, file: Path, size: tuple[int, int] | None, classes: Sequence[str]
) -> tuple[str, bool]:
    name = element.findtext("name")
    if name not in classes:
        raise UserError(
            f"{file}, object {number} has the unknown class {shown_class(name, classes)}; the classes are "
            f"{', '.join(classes)}. Correct the name or give your own list with --classes"
        )
    where = f"{file}, object {number} ({name})"
    difficult = element.findtext("difficult", default="0")
    try:
        is_difficult = int(difficult) != 0
    except ValueError:
        raise UserError(f"{where}: <difficult> must be 0 or 1, not {difficult!r}; correct it") from None
    _check_box(element, where, size)
    return str(name), is_difficult


def shown_class(name: str | None, classes: Sequence[str]) -> str:
    """A name; beside a class that looks like it, in characters that tell the two apart."""
    similar = [each for each in classes if name and _bare(each) == _bare(name)]
    if not similar:
        return repr(name)
    return f"{name!a}, which only looks like {similar[0]!a}"


def _bare(name: str) -> str:
    """A name without case, blanks, and the ways in which one letter can be written."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in folded if not each.isspace() and unicodedata.category(each) != "Cf")


def _check_box(element: ElementTree.Element, where: str, size: tuple[int, int] | None) -> None:
    texts = {corner: element.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")}
    try:
        corners = {corner: float(text or "") for corner, text in texts.items()}
    except ValueError:
        raise UserError(f"{where}: the corners of <bndbox> must be numbers, found {texts}; correct them") from None
    if not all(map(math.isfinite, corners.values())):
        raise UserError(f"{where}: the corners of <bndbox> must be finite, found {texts}; correct them")
    for axis, limit in zip("xy", size or (math.inf, math.inf), strict=True):
        low, high = corners[f"{axis}min"], corners[f"{axis}max"]
        if low < 0 or high > limit:
            raise UserError(
                f"{where}: {axis}min={low:g}, {axis}max={high:g} is outside the image, whose {axis} runs from 1 to "
                f"{limit}; clip the box or pair it with the right image"
            )
        if int(low) >= int(high):  # mmdet cuts decimals off, and a box without area makes the loss infinite
            raise UserError(
                f"{where}: {axis}min={low:g}, {axis}max={high:g} leaves no area (decimals are cut off); the minimum "
                "must be the smaller one by a whole pixel"
            )
