"""``evaluation.npz``: the per-image results of a run, from which its measures can be computed again.

A NumPy archive without pickles. What belongs to an image is a slice of an array over all images: those of image i are
``[ends[i - 1]:ends[i]]``. Names of files are relative to the data set's folder. See ``transfer.evaluation.per_image``
for the meaning of the rest.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backbones.errors import UserError
from backbones.files import atomic_path
from backbones.machine.lacks import blame_machine
from transfer.catalogue import DETECTION, SEGMENTATION
from transfer.evaluation.archive import read_arrays
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage

FORMAT = 1


class _Layout(NamedTuple):
    """Which arrays hold an image's fields in one file, and which of them are cut at the same places."""

    task: str
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    types: Mapping[str, type]
    evaluation: type
    image: type
    most_classes: int
    classes_of: Mapping[str, int]  # which fields count classes, and to which power of their number


_DETECTION = _Layout(
    DETECTION,
    (("ends", ("boxes", "labels", "difficult")), ("found_ends", ("found_boxes", "found_labels", "scores"))),
    {"labels": np.int32, "difficult": np.bool_, "found_labels": np.int32},
    DetectionEvaluation,
    EvaluatedImage,
    50_000,
    {"labels": 1, "found_labels": 1},
)
_SEGMENTATION = _Layout(
    SEGMENTATION,
    (("ends", ("pairs", "pixels")),),
    {"pairs": np.int32, "pixels": np.int64},
    SegmentationEvaluation,
    SegmentedImage,
    4096,  # whose confusion takes 134 MB
    {"pairs": 2},
)


_KINDS = {  # of NumPy's types; whole numbers where nothing else is said
    **{"classes": "U", "names": "U", "difficult": "b"},
    **dict.fromkeys(("boxes", "found_boxes", "scores"), "fiu"),
}
# NaN is in none. All pixels of a test must stay below 2^63; detectors keep their boxes inside the image.
_RANGES = {"pixels": (0, 2**40), **dict.fromkeys(("scores", "boxes", "found_boxes"), (-1e6, 1e6))}
_LAYOUTS = {layout.task: layout for layout in (_DETECTION, _SEGMENTATION)}


def write_evaluation(path: Path, evaluation: DetectionEvaluation | SegmentationEvaluation) -> None:
    """Write the file atomically; what was measured in floating point keeps its type, and so every bit."""
    layout = _LAYOUTS[evaluation.task]
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "task": np.array(layout.task),
        "classes": np.array(evaluation.classes),
        "names": np.array(evaluation.names),
    }
    for ends, fields in layout.groups:
        arrays[ends] = np.cumsum([len(getattr(image, fields[0])) for image in evaluation.images], dtype=np.int64)
        for field in fields:
            joined = np.concatenate([getattr(image, field) for image in evaluation.images])
            arrays[field] = joined.astype(layout.types.get(field, joined.dtype))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_detections(path: Path) -> DetectionEvaluation:
    """Read a detector's file.

    Raises:
        UserError: It is missing, damaged, or another task's.
    """
    return _read(path, _DETECTION)


def read_segmentations(path: Path) -> SegmentationEvaluation:
    """Read a segmentor's file.

    Raises:
        UserError: It is missing, damaged, or another task's.
    """
    return _read(path, _SEGMENTATION)


def _read(path: Path, layout: _Layout) -> Any:
    try:
        arrays = read_arrays(path)
        if arrays["format"].shape or arrays["task"].shape:
            raise ValueError("format or task is no single value")
        version, task = int(arrays["format"]), str(arrays["task"])
        if version != FORMAT or task != layout.task:
            raise UserError(f"{path} holds {task} in format {version}, not {layout.task} in format {FORMAT}")
        names = tuple(arrays["names"].tolist())
        _check_kinds(arrays, layout)
        columns = [column for group in layout.groups for column in _cut(arrays, len(names), *group)]
        images = [layout.image(*fields) for fields in zip(*columns, strict=True)]
        return layout.evaluation(tuple(arrays["classes"].tolist()), names, images)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; it is written when a run of this version is evaluated") from None
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        blame_machine(error, f"{path} cannot be read")
        raise UserError(f"{path} is damaged ({error}); delete result.json beside it and --resume the run") from None


def _check_kinds(arrays: Mapping[str, NDArray], layout: _Layout) -> None:
    """Types, shapes and classes as ``write_evaluation`` makes them.

    Raises:
        ValueError: An array has others.
    """
    classes = len(arrays["classes"])
    if not 0 < classes <= layout.most_classes:
        raise ValueError(f"{classes} classes, not 1 to {layout.most_classes}")
    fields = [field for ends, fields in layout.groups for field in (ends, *fields)]
    for name in ("classes", "names", *fields):
        array, kind = arrays[name], _KINDS.get(name, "i")
        if array.dtype.kind not in kind or array.shape[1:] != ((4,) if name.endswith("boxes") else ()):
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
    for name, (least, most) in _RANGES.items():
        if name in fields and arrays[name].size and not least <= arrays[name].min() <= arrays[name].max() <= most:
            raise ValueError(f"{name} goes from {arrays[name].min()} to {arrays[name].max()}, not {least} to {most}")
    for name, power in layout.classes_of.items():
        if arrays[name].size and not 0 <= arrays[name].min() <= arrays[name].max() < classes**power:
            raise ValueError(f"{name} counts from {arrays[name].min()} to {arrays[name].max()}, of {classes} classes")


def _cut(arrays: Mapping[str, NDArray], images: int, ends: str, fields: Sequence[str]) -> Iterator[list[NDArray]]:
    """For each field its parts, one per image."""
    places = arrays[ends]
    if not 0 < images == len(places) or (np.diff(places, prepend=0) < 0).any():
        raise ValueError(f"{ends} does not cut {images} images")
    for field in fields:
        if len(arrays[field]) != places[-1]:
            raise ValueError(f"{field} has {len(arrays[field])} rows, not {places[-1]}")
        yield np.split(arrays[field], places[:-1])
