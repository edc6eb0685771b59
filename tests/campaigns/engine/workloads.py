"""Commands that do a little real work, what comes out of them, and whether that is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from campaigns.engine import commands
from campaigns.engine.sandbox import state
from campaigns.formats.bundles import build_bundle
from campaigns.formats.runs import build_runs

RUN = "run"  # the folder that a command makes, below the folder of its trial


@dataclass(frozen=True)
class Workload:
    """A command.

    Attributes:
        name: Of the tool.
        words: The command in a folder of a trial, from the tool's path on; given again, it continues.
        result: What the folder holds after it, as a text that is equal for equal results.

        seconds: How long it may take on a busy machine, when nobody knows yet how long it takes.
    """

    name: str
    words: Callable[[Path], Sequence[str]]
    result: Callable[[Path], str]
    seconds: float = 300.0


class Inputs:
    """Data and weights for all workloads, made when they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def shapes(self) -> Path:
        """Rendered images in all three layouts, 24 to train on."""
        from backbones.data.shapes import make_shapes

        return make_shapes(self._folder / "shapes", images=24, size=64, seed=0)

    @cached_property
    def bundle(self) -> Path:
        """The smallest network, not trained."""
        folder = self._folder / "bundle"
        folder.mkdir(parents=True)
        build_bundle(folder)
        return folder / "backbone.safetensors"

    @cached_property
    def runs(self) -> Path:
        """Finished runs to compare."""
        folder = self._folder / "runs"
        folder.mkdir(parents=True)
        build_runs(folder)
        return folder


def workloads(inputs: Inputs) -> dict[str, Workload]:
    """All of them, by name."""
    found = (
        Workload("train_cls", lambda folder: _train(inputs, folder), _classifier),
        Workload("transfer_det", lambda folder: _transfer(inputs, "det", folder), _transferred),
        Workload("transfer_seg", lambda folder: _transfer(inputs, "seg", folder), _transferred),
        Workload("run_suite", lambda folder: _suite(inputs, folder), _suite_result, seconds=600.0),
        Workload("check", lambda folder: _check(inputs, folder), _counts),
        Workload("compare", lambda folder: _compare(inputs, folder), _tables),
    )
    return {each.name: each for each in found}


def _train(inputs: Inputs, folder: Path) -> list[str]:
    data = ["--data", str(inputs.shapes / "classification"), "--network", "resnet18_d", "--recipe", "d-smooth"]
    length = ["--epochs", "6", "--batch-size", "4", "--image-size", "32", "--lr", "0.05", "--ema", "0.9"]
    exact = ["--workers", "2", "--device", "cpu", "--precision", "fp32"]
    return ["tools/train_cls.py", *data, *length, *exact, "--out", str(folder / RUN), "--resume"]


def _classifier(folder: Path) -> str:
    """Every bit of the weights, the metrics, and each epoch once."""
    from safetensors.torch import load_file

    from backbones.bundles.bundle import tensor_checksum

    run = folder / RUN
    tensors = load_file(run / "backbone.safetensors")
    checksums = {name: tensor_checksum(value) for name, value in sorted(tensors.items())}
    digest = hashlib.sha256(json.dumps(checksums).encode()).hexdigest()
    epochs = [record["epoch"] for record in _records(run) if record["kind"] == "epoch"]
    return json.dumps([digest, _json(run / "result.json")["metrics"], epochs, _leftovers(run)])


def _transfer(inputs: Inputs, kind: str, folder: Path) -> list[str]:
    config = {"det": "det_configs/faster_rcnn_fpn_demo.py", "seg": "seg_configs/fcn_os8_demo.py"}[kind]
    data = inputs.shapes / {"det": "VOCdevkit", "seg": "ADEChallengeData2016"}[kind]
    length = {"det": "train_cfg.max_epochs=4", "seg": "train_cfg.max_iters=20"}[kind]
    where = ["--backbone", str(inputs.bundle), "--data", str(data), "--out", str(folder / RUN)]
    exact = ["--workers", "1", "--precision", "fp32", "--resume", "--cfg-options", length]
    saved = [f"default_hooks.checkpoint.interval={ {'det': 1, 'seg': 5}[kind] }"]
    return [f"tools/transfer_{kind}.py", config, *where, *exact, *saved]


def _transferred(folder: Path) -> str:
    """What a transfer must have in the end. A resumed one is another draw, so its numbers are left out."""
    run = folder / RUN
    result = _json(run / "result.json")
    steps = [record["step"] for record in _records(run) if record["kind"] == "step"]
    names = ("task", "recipe", "network", "seed", "protocol", "config_hash")
    facts = {name: result[name] for name in names} | {"images": result["data"]["test_images"]}
    whole = {"equal": result["proof"]["features"]["equal"], "metrics": sorted(result["metrics"])}
    rising = steps == sorted(set(steps))
    return json.dumps([facts, whole, rising, steps[-1], (run / "evaluation.npz").is_file(), _leftovers(run)])


_SUITE = """seeds: [0]
baseline: b-standard
jobs: 1
classification:
  data: {shapes}/classification
  options: {{epochs: 2, batch-size: 8, image-size: 32, workers: 1, device: cpu, precision: fp32, lr: 0.01}}
segmentation:
  data: {shapes}/ADEChallengeData2016
  protocol: seg_configs/fcn_os8_demo.py
  options: {{workers: 0, precision: fp32, cfg-options: [train_cfg.max_iters=4]}}
rows:
  - {{recipe: b-standard, network: mobilenet_v1_025}}
  - {{recipe: random, network: mobilenet_v1_025}}
"""


def _suite(inputs: Inputs, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.yaml"
    path.write_text(_SUITE.format(shapes=inputs.shapes))
    return ["tools/run_suite.py", str(path), "--out", str(folder / RUN)]


def _suite_result(folder: Path) -> str:
    """All runs done and compared; trainings to the last bit."""
    results = sorted((folder / RUN).rglob("result.json"))
    tasks = [(path.parent.name, _json(path)["task"]) for path in results]
    bundles = [hashlib.sha256(_weights(path)).hexdigest() for path in sorted((folder / RUN).rglob("best.safetensors"))]
    pages = sorted(path.name for path in (folder / RUN).rglob("index.html"))
    return json.dumps([tasks, bundles, pages, _leftovers(folder / RUN)])


def _weights(path: Path) -> bytes:
    """The tensors of a safetensors file, without a header that tells of machine and time."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def _check(inputs: Inputs, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    data = str(inputs.shapes / "VOCdevkit")
    return ["tools/prepare_data.py", "check", data, "--json", str(folder / "counts.json")]


def _counts(folder: Path) -> str:
    return json.dumps(_json(folder / "counts.json"))


def _compare(inputs: Inputs, folder: Path) -> list[str]:
    return ["tools/compare.py", str(inputs.runs), "--out", str(folder / RUN)]


def _tables(folder: Path) -> str:
    return json.dumps({name: digest for name, digest in state(folder / RUN).items() if not name.endswith(".html")})


def _json(path: Path) -> Mapping[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _leftovers(run: Path) -> list[str]:
    """Files that were being written."""
    return sorted(path.name for path in run.rglob(".*.part"))


def outcome_of(workload: Workload, folder: Path, ending: commands.Ending) -> commands.Ending:
    """An ending with the result that is in the folder, or with why there is none."""
    if ending.code != 0:
        return ending
    try:
        return commands.Ending(0, workload.result(folder), ending.errors)
    except (OSError, KeyError, ValueError, IndexError) as error:
        return commands.Ending(0, f"no whole result: {type(error).__name__} {error}", ending.errors)
