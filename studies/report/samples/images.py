"""Images of the data sets on the page: which, and how they are drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from PIL import Image

from backbones.errors import UserError
from backbones.image_files import open_image
from studies.report.forms.records import Record
from transfer.evaluation.pictures.predictions import FILE as PREDICTIONS

MOST_IMAGES = 4


PICTURES = "pictures"  # folder of a run that its predicted maps are in


WIDTH = 360  # pixels of an image on the page


QUALITY = 72


# Colours of the share of a class's pixels that is right, from none to all; in lightness too, so that it reads without.
SHARES = ("#b35806", "#f1a340", "#d9d9d9", "#67a9cf", "#08519c")


class Panel(NamedTuple):
    """One picture and the words below it."""

    title: str
    picture: Markup


class Key(NamedTuple):
    """A colour, and what it stands for."""

    color: str
    words: str


@dataclass(frozen=True)
class Sample:
    """One image: its name, what each row made of it, the colours' legend, and how far the rows are apart."""

    name: str
    panels: tuple[Panel, ...]
    legend: tuple[Key, ...] = ()
    note: str = ""


class RunPair(NamedTuple):
    """A run of the baseline and one of the row that gained most, of one seed.

    ``root`` is the folder of their images; None where these cannot be reached. ``at`` begins the anchors of the part of
    the page that the two are on.
    """

    names: tuple[str, str]
    runs: tuple[Record, Record]
    root: Path | None
    at: str = ""


def predictions(record: Record) -> Path | None:
    """The archive of a run's predicted maps; None for a detector's run, and for one of an older version."""
    path = record.run.path.parent / PICTURES / PREDICTIONS
    return path if path.is_file() else None


def most_different(differences: Sequence[float | None]) -> list[int]:
    """Up to ``MOST_IMAGES`` indices, the largest absolute difference first; None and 0 are none."""
    sizes = {index: abs(value) for index, value in enumerate(differences) if value}
    return sorted(sizes, key=lambda index: (-sizes[index], index))[:MOST_IMAGES]


def read_photograph(path: Path) -> Image.Image:
    """An image of the data set as RGB, in the pixels that are stored: annotations are made for those.

    Raises:
        UserError: It is not there, or cannot be read; the words are for the page.
    """
    try:
        with open_image(path) as image:
            return image.convert("RGB")
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged bytes
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path} {reason}, so it cannot be shown.") from None


def photograph(image: Image.Image) -> str:
    """A data URI of an RGB image, as a JPEG that is sharp where the page shows it large."""
    width = max(WIDTH, min(image.width, 2 * WIDTH))
    height = max(1, round(image.height * width / image.width))
    return data_uri(image.resize((width, height), Image.Resampling.LANCZOS), "jpeg", quality=QUALITY)


def flat(image: Image.Image) -> str:
    """A data URI of an image with few colours, which stay what they are."""
    height = max(1, round(image.height * WIDTH / image.width))
    return data_uri(image.resize((WIDTH, height), Image.Resampling.NEAREST), "png", optimize=True)


def data_uri(image: Image.Image, kind: str, **options: object) -> str:
    """An image as part of the page itself."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
