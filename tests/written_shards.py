"""Shards as WebDataset's writer makes them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

Members = list[tuple[str, bytes]]


def encoded(number: int, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (12, 14, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write(path: Path, members: Members, tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tar_format) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def sample(number: int, label: object, how: str = "cls") -> Members:
    key = f"deep/{number:06d}"
    image = (f"{key}.{'png' if number % 3 == 0 else 'jpg'}", encoded(number, "PNG" if number % 3 == 0 else "JPEG"))
    if how == "cls":
        return [image, (f"{key}.cls", str(label).encode())]
    return [(f"{key}.json", json.dumps({"label": label, "caption": "x"}).encode()), image, (f"{key}.txt", b"a caption")]
