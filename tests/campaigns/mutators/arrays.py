"""Arrays in NumPy's archives, and maps in archives of PNGs."""

from __future__ import annotations

import io
import zipfile
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from campaigns.mutators.mutation import TYPE, VALUE, Mutation


def array_field(content: bytes, random: Random) -> Mutation:
    """An array of a NumPy archive is another: its type, its shape, its values, or what it says of itself."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    name = random.choice(sorted(arrays))
    value = arrays[name]
    changes = {
        "deleted": None,
        "empty": value[..., :0] if value.ndim else np.array([]),
        "one longer": np.concatenate([value.reshape(-1), value.reshape(-1)[:1]]),
        "of one dimension more": value[None],
        "of texts": value.astype("U8"),
        "of bytes": value.astype("S8"),
        "complex": np.zeros(value.shape, complex),
        "negative": np.full(value.shape, -1),
        "huge": np.full(value.shape, 2**62),
        "not a number": np.full(value.shape, np.nan),
        "a date": np.zeros(value.shape, "datetime64[s]"),
        "a record": np.zeros(value.shape, [("a", "i4")]),
    }
    kind = random.choice([*changes, "enormous by its head"])
    if kind == "deleted":
        del arrays[name]
    elif kind != "enormous by its head":
        arrays[name] = changes[kind]
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    whole = _with_enormous(arrays, name) if kind == "enormous by its head" else stream.getvalue()
    return Mutation(whole, f"{name} {kind}", VALUE if kind in ("one longer", "empty", "negative") else TYPE)


def _with_enormous(arrays: dict[str, np.ndarray], name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as members:
        for each, value in arrays.items():
            inside = io.BytesIO()
            if each == name:
                head = {"descr": value.dtype.str, "fortran_order": False, "shape": (10**12,)}
                np.lib.format.write_array_header_1_0(inside, head)
            else:
                np.save(inside, value)
            members.writestr(f"{each}.npy", inside.getvalue())
    return stream.getvalue()


def zipped_map(content: bytes, random: Random) -> Mutation:
    """One picture of an archive is another: its pixel type, its size, its name, or no picture at all."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(members))
    pixels: dict[str, Any] = {
        "in colour": np.zeros((30, 40, 3), np.uint8),
        "of one pixel": np.zeros((1, 1), np.uint8),
        "of 3000 x 3000 pixels": np.zeros((3000, 3000), np.uint8),
        "of 16 bits": np.zeros((30, 40), np.uint16),
    }
    kind = random.choice([*pixels, "a text", "under another name"])
    if kind == "under another name":
        members[random.choice(("../x.png", "no_such.jpg.png", "", "a\nb.png"))] = members.pop(name)
    elif kind == "a text":
        members[name] = b"no picture"
    else:
        stream = io.BytesIO()
        Image.fromarray(pixels[kind]).save(stream, "png")
        members[name] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for each, inside in members.items():
            archive.writestr(zipfile.ZipInfo(each or "/"), inside)
    return Mutation(stream.getvalue(), f"{name} {kind}", VALUE)
