"""Are the compressed pixels of a JPEG file all there?

A JPEG has no checksum and its scan no length. Where scan data is missing or makes no sense, libjpeg fills the rest in
(gray, or the last colour), hands the image over as if nothing had happened, and issues a warning. Pillow drops it;
OpenCV and torchvision write it to the standard error stream, where training would never look. Here it is read.

Found: scan data that was cut out, or overwritten with zeros or noise, so that the decoder comes out before or behind
the end of the picture, or meets a code or a mark that does not belong there. Not found: damage after which it comes
out at the right place all the same, such as a changed byte that shifts nothing, or another picture's part between two
restart marks; no decoder can tell those from a picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from backbones.data.source import Source, open_bytes

_START_OF_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
# libjpeg's own words; others tell of odd headers, whose pixels are fine.
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression", "Invalid SOS", "too much data")
_SURPLUS_AT_THE_END = "extraneous bytes before marker 0xd9"
_HARMLESS_ZEROS = 0.01  # of the file: some cameras and editors pad the scan


def lost_scan_data(path: Source) -> str | None:
    """What libjpeg says is wrong with the scan data of a JPEG file; None for nothing, and for any other file.

    Bytes left over at the end of the scan lie in sound pictures too, so they count only where the scan ends in zeros
    for more than a hundredth of the file.
    """
    # Here and not above: torchvision takes seconds to import, and data sets are checked once.
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    with open_bytes(path) as stream:
        if stream.read(2) != _START_OF_JPEG:
            return None
        content = _START_OF_JPEG + stream.read()
    data = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
    complaint = _said_on_standard_error(lambda: decode_jpeg(data, ImageReadMode.GRAY)).strip()
    if not complaint.startswith(_DAMAGE):
        return None
    if _SURPLUS_AT_THE_END in complaint and not _ends_in_zeros(content):
        return None
    return complaint.splitlines()[0]


def _ends_in_zeros(content: bytes) -> bool:
    scan = content[: content.rfind(_END_OF_JPEG)]
    return len(scan) - len(scan.rstrip(b"\0")) > _HARMLESS_ZEROS * len(content)


def _said_on_standard_error(decode: Callable[[], object]) -> str:
    """What C code writes there meanwhile; a failure to decode is Pillow's to report, and no matter here."""
    reading, writing = os.pipe()
    standard_error = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        decode()
    except RuntimeError:
        pass
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
    with open(reading, "rb") as stream:
        return stream.read().decode(errors="replace")
