"""Images for classification whose labels stand in shards or in tables."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from backbones.data.decoding import decode_pixels
from backbones.data.folders.folder_parts import open_images
from backbones.data.folders.image_folder import verify_images
from campaigns.formats.format import Format, digest, used_after_check
from campaigns.formats.pictures import noise
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.mutation import BYTES, MISSING, VALUE, WORDS
from campaigns.mutators.words import LINES, with_words

_FREE = (BYTES, VALUE, MISSING, WORDS)  # texts, JPEG files and contents of archives have no checksums
_PARTS = {"train": range(4), "val": range(4, 8)}
_LABELS = ("cat", "dog")


def _build_shards(root: Path) -> None:
    for part, numbers in _PARTS.items():
        with tarfile.open(root / f"{part}-0000.tar", "w") as archive:
            for number in numbers:
                picture = io.BytesIO()
                noise(16 + number % 2, number).save(picture, "JPEG")
                for ending, content in (("jpg", picture.getvalue()), ("cls", _LABELS[number % 2].encode())):
                    member = tarfile.TarInfo(f"{number:04d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def _build_table(root: Path) -> None:
    for part, numbers in _PARTS.items():
        for number in numbers:
            noise(16, number).save(root / f"{number}.png")
        lines = [f"{number}.png,{_LABELS[number % 2]}" for number in numbers]
        (root / f"{part}.csv").write_text("\n".join(["path,label", *lines]) + "\n")


def _build_metadata(root: Path) -> None:
    for part, numbers in _PARTS.items():
        (root / part).mkdir()
        for number in numbers:
            noise(16, number).save(root / part / f"{number}.png")
        lines = [json.dumps({"file_name": f"{number}.png", "label": _LABELS[number % 2]}) for number in numbers]
        (root / part / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def _read(folder: Path) -> Any:
    data = open_images(folder)

    def decode() -> list[Any]:
        splits = (data.train, data.val)
        pixels = [decode_pixels(split.source(index)) for split in splits for index in range(len(split))]
        return [data.classes, *(split.labels.tolist() for split in splits), digest(*pixels)]

    return used_after_check(lambda: verify_images(data, workers=1), decode)


def _check(folder: Path) -> list[str]:
    return ["tools/prepare_data.py", "check", str(folder)]


_TEXT = (*DAMAGE, *[with_words(*LINES)] * 6)
SHARD = Format("webdataset-shard", _build_shards, ("*.tar",), _read, DAMAGE, free=_FREE, command=_check)
TABLE = Format("table-of-labels", _build_table, ("*.csv",), _read, _TEXT, free=_FREE, command=_check)
METADATA = Format("metadata-jsonl", _build_metadata, ("*/metadata.jsonl",), _read, _TEXT, free=_FREE, command=_check)
