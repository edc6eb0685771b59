"""ImageNet's development kit: which class each validation image has."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from backbones.errors import UserError
from transfer.prepare.fetch.unpack import open_tar
from transfer.prepare.sources import ImageNetRelease

_META = "data/meta.mat"
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"


def validation_classes(devkit: Path, release: ImageNetRelease) -> dict[int, str]:
    """WNID of each validation image by the number in its name, counted from 1.

    Raises:
        UserError: The kit lacks one of its two files, or they do not fit each other.
    """
    with open_tar(devkit) as tar:
        meta, truth = (_read(tar, devkit, name) for name in (_META, _TRUTH))
    wnids = _leaf_wnids(meta)
    numbers = [int(line) for line in truth.split()]
    if len(numbers) != release.val_images or len(wnids) != release.classes or not wnids.keys() >= set(numbers):
        raise UserError(
            f"{devkit} labels {len(numbers)} images and knows {len(wnids)} classes; expected {release.val_images} and "
            f"{release.classes}: fetch it again"
        )
    return {place: wnids[number] for place, number in enumerate(numbers, start=1)}


def _read(tar: tarfile.TarFile, devkit: Path, name: str) -> bytes:
    for member in tar:
        if member.name.endswith(f"/{name}") and (stream := tar.extractfile(member)) is not None:
            return stream.read()
    raise UserError(f"{devkit} holds no {name}; give ILSVRC2012_devkit_t12.tar.gz (tasks 1 and 2)")


def _leaf_wnids(meta: bytes) -> dict[int, str]:
    """WNID by ILSVRC2012_ID, of synsets without children: the others are parents in WordNet, and no classes."""
    from scipy.io import loadmat

    synsets = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
    return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets if int(row["num_children"]) == 0}
