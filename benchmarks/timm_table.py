"""The table of timm's networks in docs/networks.md, from the records of ``benchmarks.timm_sweep``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from backbones.models import TIMM_PREFIX
from backbones.profiling.table import TIMM_HEADING
from backbones.reporting.markdown import MISSING, escape, markdown_table

_WORDS = """\
Networks of timm {version} with public weights, each built as a transfer builds it, with all its refusals; then the maps
of one training batch of 2 images of 320 x 256 pixels are followed back to every weight. That is on PyTorch's meta
device: shapes and gradients are real, numbers are not; tests transfer single networks in earnest. Records are in
[`{source}`]({source}), and this section is written by

```
python -m benchmarks.timm_sweep --out docs/{source} --markdown docs/networks.md
```

Of {published} architectures with public weights, {examined} are examined so far:"""

_LEGEND = """\
- **detection**: `fpn` takes `det_configs/faster_rcnn_fpn_*.py`, `simple` takes `faster_rcnn_simple_fpn_*.py`.
- **FCN**: `yes` takes `seg_configs/fcn_os8_*.py`.
- **UPerNet**: `fpn` takes `seg_configs/upernet_*.py`, `simple` takes `upernet_simple_fpn_*.py`.
- **linear**: `yes` takes `seg_configs/linear_*.py`.
- A number is the reason why not, below the table."""


def with_timm_table(text: str, records: Sequence[dict[str, Any]], published: Collection[str], source: str) -> str:
    """A document with the section of timm's networks at its end, in place of the one that it has.

    Args:
        text: The document.
        records: Of ``benchmarks.timm_sweep.examine``.
        published: Names of the architectures that there are public weights for.
        source: Name of the file of the records, beside the document.
    """
    records = sorted((each for each in records if each["network"] in published), key=lambda each: each["network"])
    reasons: list[str] = []
    rows = [_row(record, reasons) for record in records]
    header = ["network", "weights of the trunk", "image", "strides", "detection", "FCN", "UPerNet", "linear"]
    version = records[0]["timm"] if records else MISSING
    parts = [
        TIMM_HEADING,
        _WORDS.format(version=version, source=source, published=len(published), examined=len(records)),
        _shares(records),
        _LEGEND,
        markdown_table(header, rows),
        "\n".join(f"{number}. {escape(reason)}" for number, reason in enumerate(reasons, start=1)),
    ]
    before = text.partition(TIMM_HEADING)[0].rstrip()
    return "\n\n".join(([before] if before else []) + [part for part in parts if part]) + "\n"


def _shares(records: Sequence[dict[str, Any]]) -> str:
    """Of the networks that were examined, how many fit; nothing of none."""
    if not records:
        return ""
    kinds = {
        "detection, UPerNet or a linear decoder": ("pyramid", "single"),
        "detection and UPerNet with a pyramid of the network's own maps": ("pyramid",),
        "detection and UPerNet with a simple feature pyramid, and a linear decoder": ("single",),
        "FCN at output stride 8": ("dilated",),
    }
    lines = []
    for words, names in kinds.items():
        fits = sum(any(record[name] is None for name in names) for record in records)
        lines.append(f"- {words}: {fits} ({100 * fits / len(records):.1f} %)")
    return "\n".join(lines)


def _row(record: dict[str, Any], reasons: list[str]) -> list[str]:
    def why_not(kind: str) -> str:
        reason = record[kind].replace(f"{TIMM_PREFIX}{record['network']}", "the network")
        if reason not in reasons:
            reasons.append(reason)
        return str(reasons.index(reason) + 1)

    def maps() -> str:
        if record["pyramid"] is None:
            return "fpn"
        return "simple" if record["single"] is None else why_not("single")

    strides = ", ".join(map(str, dict.fromkeys(record.get("strides", ())))) or MISSING
    weights = record.get("parameters")
    return [
        f"`{record['network']}`",
        f"{weights / 1e6:.1f} M" if weights else MISSING,
        f"{record['image_size']} px" if "image_size" in record else MISSING,
        strides,
        maps(),
        "yes" if record["dilated"] is None else why_not("dilated"),
        maps(),
        "yes" if record["single"] is None else why_not("single"),
    ]
