"""A bundle from public weights: fetched by their library, or read from a local file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

import backbones.external.timm
import backbones.external.torchvision
from backbones.bundles.bundle import Bundle, make_bundle, read_bundle, write_bundle
from backbones.bundles.contract import InputContract
from backbones.errors import UserError
from backbones.external.accounting import head_size, load_by_table
from backbones.external.families import Source, parse_source
from backbones.external.keys import key_table
from backbones.external.weight_file import read_weight_file
from backbones.external.weights import PublicWeights, choose_download, choose_for_file
from backbones.files import sha256_file
from backbones.machine.lacks import blame_machine
from backbones.models import Classifier, create_classifier
from backbones.runs.versions import package_versions

_LIBRARIES = {"torchvision": backbones.external.torchvision, "timm": backbones.external.timm}
_VERSIONED = ("torch", "torchvision", "timm", "safetensors")
_IMAGENET_CLASSES = Path(__file__).with_name("imagenet_classes.txt")


@dataclass(frozen=True)
class _Fetched:
    """Tensors, the weights whose configuration applies to them, what they are called, and where they came from."""

    tensors: dict[str, Tensor]
    weights: PublicWeights
    label: str
    published: bool
    origin: dict[str, Any]


def import_weights(
    source: str,
    out: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    key: str | None = None,
    classes: str | os.PathLike[str] | None = None,
) -> list[str]:
    """Write public weights as a bundle, and describe it in a few lines.

    Args:
        source: ``LIBRARY:NETWORK`` or ``LIBRARY:NETWORK.WEIGHTS``.
        out: The bundle; one that is there already stays if it is the same.
        checkpoint: A local file with tensors by the library's names; None has the library download its own.
        key: Entry of ``checkpoint`` that holds the tensors, where there are several.
        classes: File with the head's class names in order, one a line; None takes ImageNet's 1000.

    Raises:
        UserError: Unknown weights, a failed download, a file that cannot be read or is not that network, class names
            that do not fit the head, or another file at ``out``.
    """
    asked = parse_source(source)
    fetched = _read(asked, checkpoint, key) if checkpoint is not None else _download(asked)
    table = key_table(asked.architecture)
    names = _class_names(fetched.label, head_size(fetched.label, fetched.tensors, table), classes)
    classifier = create_classifier(asked.architecture, len(names))
    ledger = load_by_table(fetched.label, classifier, fetched.tensors, table)
    training = {
        "recipe": fetched.label,
        "network": asked.architecture,
        "classes": names,
        "top1": fetched.weights.top1 if fetched.published else None,
        "top5": fetched.weights.top5 if fetched.published else None,
        "origin": {**fetched.origin, "evaluation": fetched.weights.evaluation, "ledger": ledger.summary()},
        "versions": package_versions(_VERSIONED),
    }
    bundle, written = _write(out, classifier, asked.architecture, fetched.weights.contract, training)
    return _describe(bundle, written, out)


def _download(asked: Source) -> _Fetched:
    library = _LIBRARIES[asked.library]
    weights = choose_download(asked, library.catalogue(asked))
    try:
        tensors = library.download(weights)
    # The libraries let through whatever their downloaders raise.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"{weights.source}: {asked.library} could not get its weights ({type(error).__name__}: {reason}); where "
            f"the network is the cause, fetch the file elsewhere{f', from {weights.url},' if weights.url else ''} and "
            f"import it with {weights.source} --checkpoint FILE"
        ) from error
    origin = {"source": str(weights.source), "url": weights.url, "license": weights.license}
    return _Fetched(tensors, weights, str(weights.source), True, origin)


def _read(asked: Source, checkpoint: str | os.PathLike[str], key: str | None) -> _Fetched:
    path = Path(checkpoint)
    file = read_weight_file(path, key)
    sha256 = sha256_file(path)
    choice = choose_for_file(asked, _LIBRARIES[asked.library].catalogue(asked), path.name, sha256)
    origin: dict[str, Any] = {
        "source": str(choice.weights.source),
        "file": path.name,
        "sha256": sha256,
        "unwrapped": list(file.unwrapped),
    }
    if not choice.published:
        return _Fetched(file.tensors, choice.weights, f"{asked} from {path.name}", False, origin)
    origin |= {"url": choice.weights.url, "license": choice.weights.license}
    return _Fetched(file.tensors, choice.weights, str(choice.weights.source), True, origin)


def _class_names(label: str, count: int, file: str | os.PathLike[str] | None) -> list[str]:
    path = Path(file) if file is not None else _IMAGENET_CLASSES
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        blame_machine(error, f"--classes {path} cannot be read")
        raise UserError(f"--classes {path} cannot be read ({error})") from None
    if len(names) != count:
        holds = f"--classes {path} names {len(names)}" if file is not None else "ImageNet has 1000"
        raise UserError(f"{label} tells {count} classes apart, {holds}; give their {count} names with --classes FILE")
    if empty := [number for number, name in enumerate(names, start=1) if not name.strip()]:
        raise UserError(f"--classes {path}: line {empty[0]} is empty")
    if len(set(names)) != count:
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"--classes {path}: {twice} is in it more than once")
    return names


def _write(
    out: str | os.PathLike[str],
    classifier: Classifier,
    architecture: str,
    contract: InputContract,
    training: dict[str, Any],
) -> tuple[Bundle, bool]:
    """The bundle, and whether it had to be written."""
    if not Path(out).exists():
        return write_bundle(out, classifier, architecture, contract, training), True
    bundle = make_bundle(classifier, architecture, contract, training, str(out))
    try:
        there = read_bundle(out)
    except UserError:
        there = None
    if there is None or _content(there) != _content(bundle):
        raise UserError(f"{out} is there already and is not this bundle; remove it, or give another --out")
    return bundle, False


def _content(bundle: Bundle) -> tuple[Any, ...]:
    return bundle.checksums, bundle.architecture, bundle.input_contract, bundle.training


def _describe(bundle: Bundle, written: bool, out: str | os.PathLike[str]) -> list[str]:
    training, contract = bundle.training, bundle.input_contract
    origin, ledger = training["origin"], training["origin"]["ledger"]
    dropped = sum(map(len, ledger["dropped"].values()))
    accuracy = (
        "not known" if training["top1"] is None else f"top-1 {training['top1']:.2f}, top-5 {training['top5']:.2f}"
    )
    lines = [
        f"weights    {training['recipe']}, network {bundle.architecture}, {len(training['classes'])} classes",
        f"tensors    {ledger['source_tensors']}: {ledger['mapped']} mapped, {dropped} dropped",
        f"input      {contract.channel_order}, mean {contract.mean}, std {contract.std}, trained at "
        f"{contract.train_size} px, tested at {contract.eval_size} px, {contract.interpolation}",
        f"published  {accuracy}",
    ]
    if origin.get("unwrapped"):
        lines.insert(1, f"unwrapped  {', '.join(origin['unwrapped'])}")
    return [*lines, f"{'written' if written else 'unchanged'}: {out}"]
