"""What is told of an import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backbones.bundles.bundle import Bundle
from backbones.bundles.ledger import name_tensors
from backbones.reporting.printable import printable

_MOST_NAMED = 20
NO_HEAD = "no classifier head in the checkpoint"


def describe_import(bundle: Bundle) -> list[str]:
    """Where a bundle's weights come from, and what became of every tensor, in a few lines."""
    training, contract = bundle.training, bundle.input_contract
    origin, ledger = training["origin"], training["origin"]["ledger"]
    dropped = sum(map(len, ledger["dropped"].values()))
    known = [f"top-{k} {training[f'top{k}']:.2f}" for k in (1, 5) if training[f"top{k}"] is not None]
    lines = [
        f"weights    {training['recipe']}, network {bundle.architecture}, {_classes(bundle)}",
        *_listed("unwrapped", origin),
        *_listed("left", origin),
        f"tensors    {ledger['source_tensors']}: {ledger['mapped']} mapped, {dropped} dropped",
        *(f"{fate.replace(': ', '    ')}: {name_tensors(names)}" for fate, names in ledger["dropped"].items()),
        *_absent(ledger),
        f"input      {contract.channel_order}, mean {contract.mean}, std {contract.std}, trained at "
        f"{contract.train_size} px, tested at {contract.eval_size} px, {contract.interpolation}",
        f"published  {', '.join(known) or 'not known'}",
    ]
    return [printable(line) for line in lines]  # names are the file's


def _classes(bundle: Bundle) -> str:
    if bundle.training["classes"] is not None:
        return f"{len(bundle.training['classes'])} classes"
    return "no head" if NO_HEAD in bundle.training["origin"]["ledger"].get("absent", {}) else "classes without names"


def _listed(name: str, origin: dict[str, Any]) -> Iterator[str]:
    if origin.get(name):
        more = len(origin[name]) - _MOST_NAMED
        yield f"{name:<10} {', '.join(origin[name][:_MOST_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _absent(ledger: dict[str, Any]) -> Iterator[str]:
    for reason in ledger.get("absent", {}):
        yield f"head       none, because there is {reason}: for transfers and --init-from, not to classify or teach"
