"""What networks cost as Markdown: the paper's Table 5 with our count beside its own, and what was measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json, write_bytes, write_json
from backbones.profiling.cost import FORMAT, ProfileRequest, profile_networks
from backbones.recipes.paper import table_rows
from backbones.reporting.markdown import markdown_table

TABLE_5_SIZE = 224
MEBIBYTE = 2**20
DIFFERENCE = "difference"
TIMM_HEADING = "## Networks of timm"  # of the section that benchmarks/timm_sweep.py writes at the end of the document


def profile_to_files(
    networks: Sequence[str],
    table5: bool = False,
    out: Path | None = None,
    markdown: Path | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Measure networks, write the numbers to ``out`` and the document to ``markdown``, and return the numbers.

    Args:
        networks: Names; none at all writes the document again from the numbers in ``out``.
        table5: Put the networks of Table 5 before them.
        out: JSON file.
        markdown: Its document.
        settings: Of ``ProfileRequest``.

    Raises:
        UserError: Nothing to measure, a document without ``out``, or what ``profile_networks`` refuses.
    """
    if table5:
        networks = [*(row["network"] for row in table_rows(5)), *networks]
    if markdown and not out:
        raise UserError("--markdown needs --out: the document names the JSON file that its numbers are from")
    if networks:
        profile = profile_networks(ProfileRequest(tuple(networks), **settings))
        if out:
            write_json(out, profile)
    elif markdown and out:
        profile = read_profile(out)
    else:
        raise UserError("no network given: name some, or say --table5")
    if markdown and out:
        source = Path(os.path.relpath(out, markdown.parent)).as_posix()
        write_bytes(markdown, (network_document(profile, source) + _kept(markdown)).encode())
    return profile


def _kept(document: Path) -> str:
    """The section of a document that is there which is not of these numbers."""
    text = document.read_text(encoding="utf-8") if document.exists() else ""
    _, heading, section = text.partition(TIMM_HEADING)
    return f"\n{heading}{section}" if heading else ""


def read_profile(path: Path) -> dict[str, Any]:
    """The numbers that ``profile_to_files`` wrote.

    Raises:
        UserError: The file is missing, or is not one of them.
    """
    profile = read_json(path)
    if not isinstance(profile, dict) or "networks" not in profile or profile.get("format") != FORMAT:
        raise UserError(
            f"{path} is no result of tools/profile_network.py in format {FORMAT}; name networks to write it"
        )
    return profile


def network_document(profile: dict[str, Any], source: str) -> str:
    """The whole document for a result of ``profile_networks``; ``source`` names the JSON file that holds it."""
    parts = ["# Networks", _provenance(profile, source)]
    if rows := _table_5_rows(profile):
        parts += ["## Table 5 of the paper", _TABLE_5_NOTE, rows]
    definitions = f"{_DEFINITIONS}\n{_PEAK_MEMORY}" if _on_gpu(profile) else _DEFINITIONS
    parts += ["## Cost", _cost_table(profile), definitions.format(**profile["settings"])]
    return "\n\n".join(parts) + "\n"


def network_summary(profile: dict[str, Any]) -> str:
    """The tables alone, for a terminal."""
    return "\n\n".join(part for part in (_table_5_rows(profile), _cost_table(profile)) if part)


_TABLE_5_NOTE = """\
ResNet-50 and its tweaks at 224 px, 1000 classes. Counts are ours and the paper's; accuracies are the paper's. The paper
says "FLOPs" and counts multiply-adds; it rounds parameters to whole millions and multiply-adds to one decimal."""

_DEFINITIONS = """\
- **Parameters**: weights of trunk and head, with {classes} classes; BatchNorm's running statistics are none.
- **Multiply-adds**: one image, forward, convolutions and matrix products only (BatchNorm, activations, pooling and
  additions are not counted). The paper and most of the literature call them FLOPs.
- **FLOPs**: multiplications and additions of the same operations counted apart, so twice the multiply-adds; what
  `torch.utils.flop_counter` returns.
- **Activations**: what autograd keeps from forward to backward for one more image in the batch, in {precision}: the
  image and what the layers computed from it, each storage counted once, without weights. On a CPU, batches with maps
  so small that their convolutions are matrix products (`backbones/models/convolution.py`) keep somewhat more.
- **Forward** and **training**: images per second in batches of {batch_size}: median of {samples} samples and, in
  parentheses, the slowest and the fastest. Forward is evaluation mode without gradients; training is a whole update:
  forward, loss, backward, Nesterov SGD. The networks take turns, sample by sample, so that whatever else the machine
  does slows all alike. The images lie on the device already: reading and augmentation are not part of the network. The
  last column compares the training medians with the first row's, where the samples of the two do not overlap."""

_PEAK_MEMORY = """\
- **Peak memory**: the most that was allocated on the GPU at once in one training step of {batch_size} images: weights,
  gradients, momentum, activations and the convolutions' workspace."""


def _provenance(profile: dict[str, Any], source: str) -> str:
    machine, versions = profile["hardware"], profile["versions"]
    threads = f" with {machine['threads']} threads" if machine["device"] == "cpu" else ""
    return (
        f"Every number of ours is in [`{source}`]({source}). This file and that one were written by\n\n"
        f"```\n{profile['command']}\n```\n\n"
        f"on {machine['name']} ({machine['device']}{threads}), {profile['settings']['precision']}, "
        f"PyTorch {versions['torch']}, Python {versions['python']}."
    )


def _table_5_rows(profile: dict[str, Any]) -> str:
    """Empty when none of its networks was measured at its image size."""
    measured = {row["network"]: row for row in profile["networks"] if row["image_size"] == TABLE_5_SIZE}
    rows = []
    for paper in table_rows(5):
        if ours := measured.get(paper["network"]):
            rows.append(
                [
                    f"{paper['label']} (`{paper['network']}`)",
                    *_beside_paper(ours["parameters"] / 1e6, paper["parameters"], "M"),
                    *_beside_paper(ours["multiply_adds"] / 1e9, paper["flops"], "G"),
                    f"{paper['top1']:.2f}",
                    f"{paper['top5']:.2f}",
                ]
            )
    header = ["network", "parameters", "paper", DIFFERENCE, "multiply-adds", "paper", DIFFERENCE]
    return markdown_table([*header, "paper's top-1", "paper's top-5"], rows) if rows else ""


def _beside_paper(ours: float, paper: float, unit: str) -> list[str]:
    return [f"{ours:.2f} {unit}", f"{paper} {unit}", f"{ours - paper:+.2f} {unit} ({_percent(ours, paper)})"]


def _on_gpu(profile: dict[str, Any]) -> bool:
    return all(row["peak_cuda_bytes"] is not None for row in profile["networks"])


def _cost_table(profile: dict[str, Any]) -> str:
    networks = profile["networks"]
    on_gpu = _on_gpu(profile)
    header = ["network", "image", "parameters", "multiply-adds", "FLOPs", "activations"]
    header += ["peak memory"] * on_gpu + ["forward, images/s", "training, images/s", "training, relative"]
    rows = []
    for row in networks:
        cells = [
            f"`{row['network']}`",
            f"{row['image_size']} px",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['multiply_adds'] / 1e9:.2f} G",
            f"{row['flops'] / 1e9:.2f} G",
            f"{row['activation_bytes_per_image'] / MEBIBYTE:.1f} MiB",
        ]
        if on_gpu:
            cells.append(f"{row['peak_cuda_bytes'] / MEBIBYTE:.0f} MiB")
        cells += [_speed(row["forward"]), _speed(row["training"])]
        rows.append([*cells, _difference(row["training"], networks[0]["training"])])
    return markdown_table(header, rows)


def _speed(speed: dict[str, float]) -> str:
    return f"{_digits(speed['median'])} ({_digits(speed['slowest'])} to {_digits(speed['fastest'])})"


def _difference(speed: dict[str, float], reference: dict[str, float]) -> str:
    """Of the medians, where no sample of one lies among the samples of the other; otherwise it could be chance."""
    if speed is reference:
        return "reference"
    if speed["slowest"] <= reference["fastest"] and reference["slowest"] <= speed["fastest"]:
        return "within spread"
    return _percent(speed["median"], reference["median"])


def _digits(value: float) -> str:
    """Three digits, because timings do not have more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _percent(value: float, reference: float) -> str:
    return f"{100 * (value / reference - 1):+.1f} %"
