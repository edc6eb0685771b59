"""Downloaded archives: zip and tar, plain and compressed."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from random import Random

from campaigns.engine.sandbox import state
from campaigns.formats.format import Format
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.mutation import BYTES, MISSING, VALUE, WORDS, Mutation
from transfer.prepare.fetch.checksum import md5_file
from transfer.prepare.fetch.unpack import unpack

_FILES = {"data/a.txt": b"some text\n" * 300, "data/b/c.bin": bytes(range(256)) * 8, "data/b/d.txt": b"end\n"}
_NAMES = (
    "../escaped",
    "/tmp/escaped",
    "data/../../escaped",
    "C:/x",
    "data\\..\\..\\x",
    "x" * 300,
    "data/\0",
    "",
    "data",
)


def _build(folder: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member, content in _FILES.items():
            tar.addfile(_tar_entry(member, len(content)), io.BytesIO(content))
    (folder / "data.tar").write_bytes(stream.getvalue())
    (folder / "data.tar.gz").write_bytes(gzip.compress(stream.getvalue(), mtime=0))
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as members:
        for member, content in _FILES.items():
            members.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)  # of 1980, in every trial


def _tar_entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _unpack(folder: Path, name: str) -> object:
    """As ``--archive`` has it, but for what the checksum of a published archive would be."""
    md5_file(folder / name)
    unpack([folder / name], "data", folder / "made")
    return state(folder / "made")


def zip_member(content: bytes, random: Random) -> Mutation:
    """One more member that should not be there, or flags of one that cannot be right."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as members:
        entry = zipfile.ZipInfo(random.choice(_NAMES[:-2]))
        if random.random() < 0.3:
            entry.external_attr = 0o120777 << 16
            entry.filename = "data/link"
        members.writestr(entry, b"/etc/passwd")
    whole = bytearray(stream.getvalue())
    what = f"a member {entry.filename[:30]!r} more"
    if random.random() < 0.4:  # encrypted, or of an unknown method, by the table of contents and the member's own head
        place, value = random.choice((("flags", 1), ("method", 99), ("method", 14)))
        for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
            start = whole.find(signature)
            where = start + offset + (2 if place == "method" else 0)
            whole[where : where + 2] = value.to_bytes(2, "little")
        what = f"{place} of the first member {value}; {what}"
    return Mutation(bytes(whole), what, VALUE)


def tar_member(content: bytes, random: Random) -> Mutation:
    """One more member that should not be there, or a size that is not true."""
    compressed = content[:2] == b"\x1f\x8b"
    stream = io.BytesIO()
    kinds = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)
    with tarfile.open(fileobj=stream, mode="w:gz" if compressed else "w", format=tarfile.PAX_FORMAT) as tar:
        for member, inside in _FILES.items():
            tar.addfile(_tar_entry(member, len(inside)), io.BytesIO(inside))
        entry = _tar_entry(random.choice(_NAMES), 0)
        entry.type = random.choice(kinds)
        entry.linkname = random.choice(("/etc/passwd", "a.txt", "../../x"))
        entry.mode = random.choice((0o644, 0, 0o7777))
        if random.random() < 0.3:
            entry.pax_headers = {random.choice(("size", "mtime", "path", "uid")): random.choice(("-1", "x", "9" * 30))}
        if random.random() < 0.2:
            entry.size = 10**14
            entry.type = tarfile.REGTYPE
        tar.addfile(entry)
    what = f"a member {entry.name[:30]!r} of type {entry.type!r}, size {entry.size}, {entry.pax_headers}"
    return Mutation(stream.getvalue(), what, VALUE)


# Members of tar archives have no checksums, and zip's do not cover names.
_FREE = (BYTES, VALUE, MISSING, WORDS)
ZIP = Format(
    "archive-zip",
    _build,
    ("data.zip",),
    lambda folder: _unpack(folder, "data.zip"),
    (*DAMAGE, *[zip_member] * 4),
    free=_FREE,
    may_write=("made", "made/*", "made/*/*"),
)
TAR = Format(
    "archive-tar",
    _build,
    ("data.tar",),
    lambda folder: _unpack(folder, "data.tar"),
    (*DAMAGE, *[tar_member] * 4),
    free=_FREE,
    may_write=("made", "made/*", "made/*/*"),
)
TAR_GZ = Format(
    "archive-tar-gz",
    _build,
    ("data.tar.gz",),
    lambda folder: _unpack(folder, "data.tar.gz"),
    (*DAMAGE, *[tar_member] * 4),
    free=_FREE,
    may_write=("made", "made/*", "made/*/*"),
)
