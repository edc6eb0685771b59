"""A bundle from public weights: fetched by their library, or read from a local file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import backbones.external.timm
import backbones.external.torchvision
from backbones.bundles.bundle import Bundle, make_bundle, read_bundle, save_bundle
from backbones.errors import UserError
from backbones.external.checkpoints.accounting import head_size, load_by_table
from backbones.external.checkpoints.locating import Located, locate
from backbones.external.checkpoints.weight_file import WeightFile, read_weight_file
from backbones.external.description import NO_HEAD, describe_import
from backbones.external.families import AT, KEY, Source, parse_source, split_checkpoint
from backbones.external.keys import head_modules, spellings
from backbones.external.weights import PublicWeights, choose_download, choose_for_file
from backbones.files import sha256_file
from backbones.machine.lacks import blame_machine
from backbones.machine.versions import package_versions
from backbones.models import create_classifier

_LIBRARIES = {"torchvision": backbones.external.torchvision, "timm": backbones.external.timm}
_VERSIONED = ("torch", "torchvision", "timm", "safetensors")
IMAGENET_CLASSES = 1000
_IMAGENET_CLASSES = Path(__file__).with_name("imagenet_classes.txt")


@dataclass(frozen=True)
class _Fetched:
    """Tensors, the weights whose configuration applies to them, what they are called, and where they came from."""

    file: WeightFile
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
    top1: float | None = None,
) -> list[str]:
    """Write public weights as a bundle, and describe it in a few lines.

    Args:
        source: ``LIBRARY:NETWORK`` or ``LIBRARY:NETWORK.WEIGHTS``, with ``@FILE#KEY`` in place of checkpoint and key.
        out: The bundle; one that is there already stays if it is the same.
        checkpoint: A local file with tensors by the library's names; None has the library download its own.
        key: Where in ``checkpoint`` the tensors are, if that is not clear: see ``read_weight_file``.
        classes: File with the head's class names in order, one a line; None takes ImageNet's 1000.
        top1: Of the weights, in percent, as whoever published them says; comparisons show it as the row's top-1.

    Raises:
        UserError: ``top1`` is no percentage, or stated of weights whose own is known; unknown weights, a failed
            download, a file that cannot be read or is not that network, class names that do not fit the head, or
            another file at ``out``.
    """
    weights, file, place = split_checkpoint(source)
    if file and (checkpoint or key):
        raise UserError(
            f"{source} names its file after the {AT}, and a place in it after {KEY}; leave --checkpoint away"
        )
    bundle = with_top1(import_bundle(parse_source(weights), checkpoint or file, key or place, classes), top1)
    written = _write(out, bundle)
    return [*describe_import(bundle), f"{'written' if written else 'unchanged'}: {out}"]


def with_top1(bundle: Bundle, stated: float | None) -> Bundle:
    """The bundle with a top-1 in percent that somebody states of it.

    Raises:
        UserError: It is no percentage, or the bundle has one of its own.
    """
    if stated is None:
        return bundle
    if not 1 < stated <= 100:
        raise UserError(f"--top1 {stated:g}: give percent, such as 76.1")
    if (known := bundle.training["top1"]) is not None:
        raise UserError(
            f"--top1 {stated:g}: {bundle.source} has a top-1 of {known:g} %, which stands; leave --top1 away"
        )
    return replace(bundle, training={**bundle.training, "top1": float(stated)})


def import_bundle(
    asked: Source,
    checkpoint: str | os.PathLike[str] | None = None,
    key: str | None = None,
    classes: str | os.PathLike[str] | None = None,
    unnamed: bool = False,
) -> Bundle:
    """Public weights as a bundle in memory. A checkpoint without a head gives a bundle without one, which says so.

    Args:
        asked: The weights.
        checkpoint: As in ``import_weights``, as are key and classes.
        key: As there.
        classes: As there.
        unnamed: A head of another size than ImageNet's may stay without names for its classes.

    Raises:
        UserError: As for ``import_weights``.
    """
    fetched = _read(asked, checkpoint, key) if checkpoint is not None else _download(asked)
    heads = head_modules(asked.architecture)
    located = locate(fetched.label, fetched.file, spellings(asked.architecture), heads)
    count = (
        None if located.head is None else head_size(fetched.label, located.head, fetched.file.tensors.get(located.head))
    )
    names = _head_classes(fetched.label, count, classes, unnamed)
    classifier = create_classifier(asked.architecture, count or 1)
    ledger = load_by_table(fetched.label, classifier, fetched.file.tensors, located.table, located.reasons).summary()
    of_heads = tuple(f"{each}." for each in heads)
    without = [] if count else [name for name in classifier.state_dict() if name.startswith(of_heads)]
    if without:
        ledger["absent"] = {NO_HEAD: without}
    origin = {**fetched.origin, **_whereabouts(fetched.file, located)}
    training = {
        "recipe": fetched.label,
        "network": asked.architecture,
        "classes": names,
        "top1": fetched.weights.top1 if fetched.published else None,
        "top5": fetched.weights.top5 if fetched.published else None,
        "origin": {**origin, "evaluation": fetched.weights.evaluation, "ledger": ledger},
        "versions": package_versions(_VERSIONED),
    }
    return make_bundle(classifier, asked.architecture, fetched.weights.contract, training, fetched.label, without)


def _whereabouts(file: WeightFile, located: Located) -> dict[str, Any]:
    """What was taken off on the way to the tensors, and what else the file has; nothing for a plain download."""
    unwrapped = [*file.unwrapped, *located.found]
    return {**({"unwrapped": unwrapped} if unwrapped else {}), **({"left": list(file.left)} if file.left else {})}


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
            f"name it, {weights.source}@FILE (tools/import_weights.py: --checkpoint FILE)"
        ) from error
    origin = {"source": str(weights.source), "url": weights.url, "license": weights.license}
    return _Fetched(WeightFile(tensors, ()), weights, str(weights.source), True, origin)


def _read(asked: Source, checkpoint: str | os.PathLike[str], key: str | None) -> _Fetched:
    path = Path(checkpoint)
    file = read_weight_file(path, key)
    sha256 = sha256_file(path)
    choice = choose_for_file(asked, _LIBRARIES[asked.library].catalogue(asked), path.name, sha256)
    origin: dict[str, Any] = {
        "source": str(choice.weights.source),
        "file": path.name,
        "sha256": sha256,
        "unwrapped": [],
    }
    if not choice.published:
        return _Fetched(file, choice.weights, f"{asked} from {path.name}", False, origin)
    origin |= {"url": choice.weights.url, "license": choice.weights.license}
    return _Fetched(file, choice.weights, str(choice.weights.source), True, origin)


def _head_classes(
    label: str, count: int | None, file: str | os.PathLike[str] | None, unnamed: bool
) -> list[str] | None:
    """Names of the head's classes; None: there is no head, or they need none."""
    if count is None and file is not None:
        raise UserError(f"--classes {file}: {label} has no classifier head whose classes these could be")
    if count is None or (unnamed and file is None and count != IMAGENET_CLASSES):
        return None
    return _class_names(label, count, file)


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


def _write(out: str | os.PathLike[str], bundle: Bundle) -> bool:
    """Whether it had to be written."""
    if not Path(out).exists():
        save_bundle(out, bundle)
        return True
    try:
        there = read_bundle(out)
    except UserError:
        there = None
    if there is None or _content(there) != _content(bundle):
        raise UserError(f"{out} is there already and is not this bundle; remove it, or give another --out")
    return False


def _content(bundle: Bundle) -> tuple[Any, ...]:
    return bundle.checksums, bundle.architecture, bundle.input_contract, bundle.training
