"""From a benchmark's public archives to the folder its protocols read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backbones.errors import UserError
from transfer.prepare.disk import alone_in, require_space
from transfer.prepare.fetch.checksum import md5_file
from transfer.prepare.fetch.download import Patience, download
from transfer.prepare.fetch.unpack import require_tar_filter, unpack
from transfer.prepare.sources import Archive, Benchmark

DOWNLOADS = "downloads"


def prepare_benchmark(
    benchmark: Benchmark,
    out: Path,
    mirror: str | None = None,
    given: Sequence[Path] = (),
    patience: Patience | None = None,
) -> Path:
    """Make ``out / benchmark.folder``; nothing happens when it is there. Returns the folder for ``--data``.

    ``mirror`` is an address below which the archives lie under their published names; ``given`` are archives that are
    here already, recognised by their checksums. The others are fetched into ``out/downloads`` and stay there.

    Raises:
        UserError: No space, no connection, other bytes than the published ones, a second process at work, or a Python
            that cannot unpack safely.
    """
    target = out / benchmark.folder
    with alone_in(out):
        if target.exists():
            return out / benchmark.root
        if any(archive.file_name.endswith(".tar") for archive in benchmark.archives):
            require_tar_filter()  # now, and not after gigabytes
        downloads = out / DOWNLOADS
        here = _recognise(benchmark, given)
        _require_space(benchmark, out, downloads, here)
        archives = []
        for archive in benchmark.archives:
            address = _address(archive, mirror)
            archives.append(
                here.get(archive.file_name) or download(archive, address, downloads, patience or Patience())
            )
        unpack(archives, benchmark.inside or benchmark.folder, target)
    return out / benchmark.root


def _recognise(benchmark: Benchmark, given: Sequence[Path]) -> dict[str, Path]:
    published = {archive.md5: archive.file_name for archive in benchmark.archives}
    here = {}
    for path in given:
        actual = md5_file(path)
        if actual not in published:
            wanted = ", ".join(f"{name} with {md5}" for md5, name in published.items())
            raise UserError(
                f"--archive {path} is damaged or another file: its MD5 is {actual}, and {benchmark.name} wants "
                f"{wanted}; leave --archive out to fetch it"
            )
        here[published[actual]] = path
    return here


def _require_space(benchmark: Benchmark, out: Path, downloads: Path, here: dict[str, Path]) -> None:
    present = list(here.values())
    for archive in benchmark.archives:
        if archive.file_name not in here:
            present += [downloads / archive.file_name, downloads / f"{archive.file_name}.part"]
    arrived = sum(path.stat().st_size for path in present if path.is_file())
    require_space(out, max(0, benchmark.disk_bytes - arrived), benchmark.name)


def _address(archive: Archive, mirror: str | None) -> str:
    address = archive.address if mirror is None else f"{mirror.rstrip('/')}/{archive.file_name}"
    if address is None or not address.lower().startswith(("http://", "https://")):
        raise UserError(f"--mirror {mirror} is no web address; give one that begins with http:// or https://")
    return address
