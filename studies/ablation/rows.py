"""What an ablation trains: rows that differ in one trick each, and the command of every run.

Cumulative, as the paper's Tables 4 and 6: each row has one trick more than the row above. Leave-one-out: the first row
has all tricks, each other row lacks one. Or the rows of a table of the paper, by the names of their recipes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backbones.errors import UserError
from backbones.external.sources import parse_weight_source
from backbones.recipes.paper import table_rows
from backbones.recipes.recipe import Recipe
from backbones.recipes.recipe_file import chosen_recipe
from backbones.recipes.switches import is_on, needs_teacher, switch
from backbones.runs.fingerprint import ROOT
from backbones.tricks import TRICKS
from studies.ablation.presets import PRESETS

LOW_PRECISION = "low-precision"
TRAINER = ROOT / "tools" / "train_cls.py"


@dataclass(frozen=True)
class AblationRow:
    """A recipe by name with tricks switched on and off, as ``tools/train_cls.py`` takes them.

    ``label`` is what the table shows, ``reference`` the label of the row whose difference from this one matters; None:
    this is the row that others are measured against.
    """

    label: str
    recipe: str
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    reference: str | None = None

    @cached_property
    def settled(self) -> Recipe:
        """The recipe with its tricks switched."""
        return switch(chosen_recipe(self.recipe), self.on, self.off)


@dataclass(frozen=True)
class Ablation:
    """Rows, seeds, and what all runs share.

    ``options`` are further options of ``tools/train_cls.py``, ``asked`` is the command that asks for this ablation.
    """

    rows: tuple[AblationRow, ...]
    seeds: tuple[int, ...]
    network: str
    data: Path
    out: Path
    teacher: Path | None = None
    options: tuple[str, ...] = ()
    asked: str = ""

    def runs(self) -> Iterator[tuple[AblationRow, int]]:
        """Every row with every seed; one seed after the other, so that a whole table is there early."""
        return ((row, seed) for seed in self.seeds for row in self.rows)

    def folder(self, row: AblationRow, seed: int) -> Path:
        """The run folder of a row with a seed."""
        return run_folder(self.out, row.settled.name, seed)

    def command(self, row: AblationRow, seed: int) -> list[str]:
        """The command that trains it, after ``python``, from the current folder."""
        words = [os.path.relpath(TRAINER), "--data", str(self.data), "--network", self.network, "--recipe", row.recipe]
        words += ["--with", *row.on] if row.on else []
        words += ["--without", *row.off] if row.off else []
        words += ["--teacher", str(self.teacher)] if self.teacher and needs_teacher(row.settled) else []
        return [*words, *self.options, "--seed", str(seed), "--resume", "--out", str(self.folder(row, seed))]


def run_folder(out: Path, recipe: str, seed: int) -> Path:
    """Where ablations in ``out`` have the run of a recipe, by the name that it has with its tricks, with a seed.

    It is the same for the same training, whatever ablation asks for it.
    """
    return out / f"{recipe.replace(' ', '_')}-seed{seed}"


def cumulative_rows(base: str, tricks: Sequence[str]) -> tuple[AblationRow, ...]:
    """The base, then one trick (``NAME`` or ``NAME=VALUE``) more in each row.

    Raises:
        UserError: No trick, an unknown one, one twice, or one that the base has already.
    """
    names = _trick_names(tricks)
    if not names:
        raise UserError("a cumulative ablation needs --tricks, in the order in which they are added")
    recipe = chosen_recipe(base)
    for name in names:
        if is_on(recipe, name):
            raise UserError(f"--tricks {name}: {base} has it already; take it away, or choose another --base")
    rows = [AblationRow(base, base, off=_float32(names))]
    for count, option in enumerate(tricks, 1):
        off = _float32(names, names[:count])
        rows.append(AblationRow(f"+ {option}", base, tuple(tricks[:count]), off, rows[-1].label))
    return tuple(rows)


def leave_one_out_rows(base: str, tricks: Sequence[str] = ()) -> tuple[AblationRow, ...]:
    """The base with all the tricks, then a row without each of them; no tricks: those that the base has.

    Raises:
        UserError: Nothing to leave out, an unknown trick, or one twice.
    """
    recipe = chosen_recipe(base)
    tricks = tricks or [name for name in TRICKS if is_on(recipe, name)]
    names = _trick_names(tricks)
    if not names:
        raise UserError(f"{base} has no trick to leave out; name some with --tricks, or choose another --base")
    added = {
        name: option for name, option in zip(names, tricks, strict=True) if not is_on(recipe, name) or "=" in option
    }
    full = AblationRow("all", base, tuple(added.values()))
    rows = [full]
    for name in names:
        on = tuple(option for other, option in added.items() if other != name)
        off = (name,) if is_on(recipe, name) or name == LOW_PRECISION else ()
        rows.append(AblationRow(f"without {added.get(name, name)}", base, on, off, full.label))
    return tuple(rows)


def preset_rows(preset: str, network: str) -> tuple[AblationRow, ...]:
    """The rows of Table 4 at one batch size, or of Table 6, in the recipes for networks of this kind.

    In Table 6 the rows after label smoothing do not stack: each starts from label smoothing.

    Raises:
        UserError: Unknown network.
    """
    if preset.startswith("table4-"):
        column = f"batch{preset.removeprefix('table4-')}_top1"
        names = [row["recipes"][column] for row in table_rows(4)]
        references = [None, *names[:-1]]
    else:
        kind = PRESETS[preset] if has_residual_blocks(network) else "mobilenet_v1"
        names = [row["recipe"] for row in table_rows(6) if row["network"] == kind]
        if preset.endswith("without-distillation"):
            names = [name for name in names if not needs_teacher(chosen_recipe(name))]
        references = [None, *names[:2], *[names[2]] * (len(names) - 3)]
    return tuple(
        AblationRow(name, name, reference=reference) for name, reference in zip(names, references, strict=True)
    )


def check_rows(rows: Sequence[AblationRow], network: str, teacher: Path | None) -> None:
    """Refuse, before anything is trained, what some run would refuse.

    Raises:
        UserError: An unknown network, a trick that means nothing on it, distillation without teacher, or the reverse.
    """
    residual = has_residual_blocks(network)
    for row in rows:
        if row.settled.zero_gamma and not residual:
            raise UserError(
                f"zero gamma needs residual blocks and {network} has none, but the row {row.label!r} "
                f"({row.settled.name}) has it on; take zero-gamma out of --tricks, or choose a --base without it"
            )
    distilled = [row.label for row in rows if needs_teacher(row.settled)]
    if distilled and teacher is None:
        raise UserError(
            f"rows that distil ({', '.join(distilled)}) need --teacher RUN_OR_BUNDLE; or leave them out, in Table 6 by "
            "--preset table6-without-distillation"
        )
    if teacher and not distilled:
        raise UserError("--teacher: no row distils; add distillation to --tricks, or take --teacher away")
    if teacher:
        parse_weight_source(teacher, "--teacher")


def has_residual_blocks(network: str) -> bool:
    """Whether zero gamma and with it the ``d-`` recipes mean something on the network.

    Raises:
        UserError: Unknown network.
    """
    import torch

    from backbones.models import create_backbone
    from backbones.tricks.zero_gamma import residual_blocks

    with torch.device("meta"):  # the structure alone
        trunk = create_backbone(network)
    return bool(residual_blocks(trunk))


def _trick_names(tricks: Sequence[str]) -> list[str]:
    names = [option.partition("=")[0] for option in tricks]
    for name in names:
        if name not in TRICKS:
            own = "your own come with -- --plugin FILE.py"
            raise UserError(f"--tricks {name}: no such trick; there are {', '.join(TRICKS)}; {own}")
        if names.count(name) > 1:
            raise UserError(f"--tricks {name}: named more than once; keep one")
    return names


def _float32(studied: Sequence[str], on: Sequence[str] = ()) -> tuple[str, ...]:
    """Where low precision is studied, rows without it must not leave it to the machine, which may take 16 bits."""
    return (LOW_PRECISION,) if LOW_PRECISION in studied and LOW_PRECISION not in on else ()
