"""A bundle of a network of timm as timm keeps its weights: a plain state dict under its own names, head included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save

from backbones.bundles.bundle import Bundle, read_bundle
from backbones.bundles.ledger import TRUNK_PREFIX, count_classes, load_classifier
from backbones.bundles.loading import find_bundle
from backbones.errors import UserError
from backbones.external.written_files import configuration_path, pickled, require_free
from backbones.files import atomic_path, sha256_file, write_error, write_json
from backbones.models import TIMM_PREFIX, create_classifier

FORMAT = 1
STYLE = "timm"
_MODEL = f"{TRUNK_PREFIX}model."
_GREY_LEVELS = 255


@dataclass(frozen=True)
class TimmExport:
    """What was written: the weights' path, how timm loads them, and how many tensors there are."""

    path: Path
    code: str
    tensors: int

    def lines(self) -> list[str]:
        """The report, with the call that loads the weights."""
        return [
            f"tensors: {self.tensors} in the bundle; {self.tensors} written",
            "",
            self.code,
            "",
            f"written: {self.path}",
            f"written: {configuration_path(self.path)}",
        ]


def export_timm_file(source: Path, path: Path, force: bool = False) -> TimmExport:
    """``export_timm`` of a bundle's file, or of the folder of a finished run.

    Raises:
        UserError: As ``export_timm``; also a file that is not a bundle.
    """
    return export_timm(read_bundle(find_bundle(source, "BUNDLE")), path, force)


def export_timm(bundle: Bundle, path: Path, force: bool = False) -> TimmExport:
    """Write ``path``, which ``timm.create_model(..., checkpoint_path=path)`` reads, and ``path.json`` beside it.

    Args:
        bundle: A classifier that is a network of timm.
        path: The file to write; one that ends in ``.safetensors`` is written so.
        force: Replace files that are there.

    Raises:
        UserError: Another network, a file is there already, or the disk refuses.
        ProofError: A tensor has no place in timm's model; nothing is written.
    """
    if not bundle.architecture.startswith(TIMM_PREFIX):
        raise UserError(
            f"{bundle.architecture} cannot be exported for timm, whose names it does not have; only a network that was "
            f"trained as {TIMM_PREFIX}NAME can"
        )
    require_free(path, force)
    classes = count_classes(bundle)
    ledger = load_classifier(create_classifier(bundle.architecture, classes), bundle)
    tensors = {name.removeprefix(_MODEL): tensor for name, tensor in bundle.tensors.items()}
    name, contract = bundle.architecture.removeprefix(TIMM_PREFIX), bundle.input_contract
    code = f"timm.create_model({name!r}, num_classes={classes}, checkpoint_path={str(path.absolute())!r})"
    document: dict[str, Any] = {
        "format": FORMAT,
        "style": STYLE,
        "architecture": name,
        "num_classes": classes,
        "load": code,
        # As timm has it: on the scale from 0 to 1.
        "pretrained_cfg": {
            "input_size": [3, contract.eval_size, contract.eval_size],
            "mean": [value / _GREY_LEVELS for value in contract.mean],
            "std": [value / _GREY_LEVELS for value in contract.std],
            "interpolation": contract.interpolation,
        },
        "channel_order": contract.channel_order,
        "bundle": {"path": bundle.source, "training": bundle.training},
        "ledger": {**ledger.summary(), "entries": ledger.rows()},
    }
    content = save(tensors) if path.suffix == ".safetensors" else pickled(tensors)
    try:
        # Neither file takes its place before both are whole.
        with atomic_path(path) as weights, atomic_path(configuration_path(path)) as configuration:
            weights.write_bytes(content)
            write_json(configuration, {**document, "sha256": sha256_file(weights)})
    except OSError as error:
        raise write_error(path, error) from None
    return TimmExport(path, code, len(tensors))
