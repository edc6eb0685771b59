"""What people write by hand: suites and recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backbones.recipes.recipe_file import read_recipe
from campaigns.formats.format import Format
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.fields import yaml_field
from campaigns.mutators.mutation import BYTES, MISSING, TYPE, VALUE, WORDS
from campaigns.mutators.words import YAML, with_words
from studies.suite.reading import read_suite
from studies.suite.run import Conduct, settle_suite
from tools.run_suite import tool_parsers

# A key may take a word or a list, a number or a section: another type can be valid, too.
_FREE = (BYTES, VALUE, TYPE, MISSING, WORDS)
_SUITE = """title: A study
note: >-
  Small.
seeds: [0, 1]
baseline: b-standard
jobs: 2
shapes:
  small: {images: 48, size: 48, layouts: [classification, segmentation], seed: 3}
classification:
  data: shapes:small
  train-images: 48
  options: {epochs: 2, batch-size: 32, image-size: 40, workers: 1, ema: 0.9}
segmentation:
  protocol: seg_configs/fcn_os8_demo.py
  data: shapes:small
  transfers-per-training: 2
  options: {precision: fp32, cfg-options: [train_cfg.max_iters=10]}
teachers:
  - {name: tutor, recipe: d-smooth, network: resnet18_d, seed: 3}
rows:
  - {recipe: b-standard, network: [resnet18_b], options: {lr: 0.01, with: [mixup]}}
  - {name: taught, recipe: d-distill, network: resnet18_d, teacher: tutor, seeds: [0], tasks: [segmentation]}
  - {name: public, from: {source: "timm:resnet18d.ra2_in1k"}}
  - {recipe: random, network: resnet18_d}
expected:
  b-standard:
    top1: {at-least: 18}
"""
_RECIPE = """name: mine
summary: what I do
base: d-smooth
epochs: 20
batch_size: 64
base_learning_rate: 0.1
momentum: 0.9
weight_decay: 1.0e-4
schedule: step
milestones: [10, 15]
warmup_epochs: 2
label_smoothing: 0.1
mixup: 0.2
color: paper
low_precision: null
"""


def _build(folder: Path) -> None:
    (folder / "suite.yaml").write_text(_SUITE)
    (folder / "recipe.yaml").write_text(_RECIPE)


def _read_suite(folder: Path) -> Any:
    suite = read_suite(folder / "suite.yaml")
    return settle_suite(suite, Conduct(folder / "out", tool_parsers()))


def _plan(folder: Path) -> list[str]:
    return ["tools/run_suite.py", str(folder / "suite.yaml"), "--plan", "--out", str(folder / "out")]


_MUTATORS = (*DAMAGE, *[with_words(*YAML)] * 6, *[yaml_field] * 7)
SUITE = Format("suite-yaml", _build, ("suite.yaml",), _read_suite, _MUTATORS, free=_FREE, command=_plan)
RECIPE = Format(
    "recipe-yaml",
    _build,
    ("recipe.yaml",),
    lambda folder: read_recipe(folder / "recipe.yaml"),
    _MUTATORS,
    free=_FREE,
)
