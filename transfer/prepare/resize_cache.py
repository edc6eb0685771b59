"""An ImageFolder made smaller once, so that every epoch decodes fewer pixels."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from backbones.data.decoding import decode_image
from backbones.data.folders.image_folder import ImageFolder, ImageSplit, open_image_folder
from backbones.data.folders.verification import check_each
from backbones.errors import UserError
from backbones.files import atomic_path, read_json, write_bytes, write_json
from transfer.prepare.disk import alone_in

SHORT_SIDES = (256, 500)
QUALITY = 95
RECORD = "resize_cache.json"
_JPEG_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class _Made:
    """What a cache was made of; a second start must ask for the same."""

    source: str
    fingerprint: str
    short_side: int
    quality: int = QUALITY


def make_resize_cache(source: Path, out: Path, short_side: int, workers: int | None = None) -> ImageFolder:
    """Write ``out/{train,val}/CLASS/IMAGE`` with the shorter side of no image above ``short_side``; returns ``source``.

    Larger images are resized (Lanczos) and written as JPEG of quality 95, upright and without metadata; ``.jpg`` is
    added to the name of those that were of another format. All others are copied byte for byte. A file has its name
    only when it is whole, so a second start goes on where the first one stopped.

    Raises:
        UserError: The source is no ImageFolder or has an image that cannot be read, ``out`` holds something else, the
            size is out of range, the disk is full, or a second process is at work.
    """
    least, most = SHORT_SIDES
    if not least <= short_side <= most:
        raise UserError(f"--short-side {short_side} is not between {least} and {most}, what training at 224 px uses")
    folder = open_image_folder(source)
    if out.resolve() == source.resolve():
        raise UserError(f"{out} is the data set itself; give another folder for the smaller images")
    with alone_in(out):
        _claim(out, _Made(str(source.resolve()), folder.fingerprint, short_side))
        for split in (folder.train, folder.val):
            resize_split(split, out / split.root.name, short_side, workers)
    return folder


def _claim(out: Path, made: _Made) -> None:
    record = out / RECORD
    if record.exists():
        if read_json(record) != asdict(made):
            raise UserError(f"{out} was made of other images or for another size ({record}); give another folder")
    elif any((out / name).exists() for name in ("train", "val")):
        raise UserError(f"{out} holds a data set that is no resize cache; give another folder")
    else:
        write_json(record, asdict(made))


def resize_split(split: ImageSplit, out: Path, short_side: int, workers: int | None) -> None:
    """Write ``out/CLASS/IMAGE`` for every image of a split, with the shorter side of none above ``short_side``."""
    names = [os.fsdecode(bytes(name)) for name in split.files]
    for folder in {os.path.dirname(name) for name in names}:
        (out / folder).mkdir(parents=True, exist_ok=True)
    work = partial(_resize_file, split.root, out, short_side)
    check_each(work, names, f"resizing {split.root}", workers)


def _resize_file(source: Path, out: Path, short_side: int, name: str) -> None:
    added = "" if name.lower().endswith(_JPEG_SUFFIXES) else ".jpg"
    if (out / name).exists() or (out / (name + added)).exists():
        return
    image = decode_image(source / name)
    if min(image.size) <= short_side:
        with atomic_path(out / name) as temporary:
            shutil.copyfile(source / name, temporary)
        return
    width, height = (max(short_side, round(side * short_side / min(image.size))) for side in image.size)
    stream = io.BytesIO()
    image.resize((width, height), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=QUALITY)
    write_bytes(out / (name + added), stream.getvalue())
