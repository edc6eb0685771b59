"""docs/plugins.md: its plugin and its recipe, taken from the document, trained and resumed from the command line."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from forked_tools import run_tool
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest import CaptureFixture, TempPathFactory, approx, fixture, mark, raises
from safetensors import safe_open

from backbones.cli.command import run_command
from tools import ablate, train_cls

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
TOOL = [sys.executable, str(ROOT / "tools" / "train_cls.py")]


def block(language: str) -> str:
    """The one block of the document in a language."""
    (text,) = re.findall(rf"^```{language}\n(.+?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    return text


@fixture(scope="module")
def folder(tmp_path_factory: TempPathFactory) -> Path:
    """The two files of the document, and two classes of coloured noise: 16 training and 4 validation images each."""
    root, random = tmp_path_factory.mktemp("plugins"), np.random.default_rng(0)
    (root / "cutmix.py").write_text(block("python"))
    (root / "long.yaml").write_text(block("yaml"))
    for split, count in (("train", 16), ("val", 4)):
        for label in range(2):
            images = root / "data" / split / f"class{label}"
            images.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (40, 36, 3), dtype=np.uint8)
                pixels[..., label] += 100
                Image.fromarray(pixels).save(images / f"{number}.png")
    return root


@fixture(scope="module")
def cutmix(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("documented_cutmix", folder / "cutmix.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(folder: Path, out: Path | str, *more: str) -> list[str]:
    where = [
        "--data",
        str(folder / "data"),
        "--out",
        str(out),
        "--network",
        "mobilenet_v1_025",
        "--without",
        "zero-gamma",
    ]
    size = ["--epochs", "3", "--batch-size", "8", "--image-size", "32", "--workers", "0"]
    return [*where, *size, "--device", "cpu", "--precision", "fp32", *more]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return run_tool([*TOOL[1:], *command], environment)


def weights(run_folder: Path) -> dict[str, bytes]:
    with safe_open(run_folder / "backbone.safetensors", framework="np") as stream:
        return {name: stream.get_tensor(name).tobytes() for name in stream.keys()}  # noqa: SIM118


@fixture(scope="module")
def plain_run(folder: Path) -> Path:
    """Without plugin."""
    done = run(*words(folder, folder / "plain", "--recipe", "d-smooth"))
    assert done.returncode == 0, done.stderr
    return folder / "plain"


@fixture(scope="module")
def whole_run(folder: Path) -> Path:
    """With CutMix, to its end."""
    done = run(*words(folder, folder / "whole", "--recipe", "d-cutmix", "--plugin", str(folder / "cutmix.py")))
    assert done.returncode == 0, done.stderr
    return folder / "whole"


@settings(deadline=None)
@given(st.integers(1, 5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_the_hook_does_what_the_paper_says(
    cutmix: ModuleType, count: int, kept: float, y: float, x: float, seed: int
) -> None:
    """Pixel by pixel: those in the rectangle are the partner's, and targets go by how many there are."""
    generator = torch.Generator().manual_seed(seed)
    images, targets = torch.randn(count, 3, 6, 9, generator=generator), torch.rand(count, 4, generator=generator)
    mixed, mixed_targets = cutmix.paste(images, targets, (kept, y, x))
    side = (1 - kept) ** 0.5
    edges = [
        [round(n * min(max(middle + sign * side / 2, 0), 1)) for sign in (-1, 1)] for n, middle in ((6, y), (9, x))
    ]
    for i in range(count):
        own = 0
        for row in range(6):
            for column in range(9):
                inside = edges[0][0] <= row < edges[0][1] and edges[1][0] <= column < edges[1][1]
                own += not inside
                source = images[count - 1 - i if inside else i]
                assert torch.equal(mixed[i, :, row, column], source[:, row, column])
        expected = own / 54 * targets[i] + (1 - own / 54) * targets[count - 1 - i]
        torch.testing.assert_close(mixed_targets[i], expected, atol=1e-6, rtol=1e-5)


def test_the_share_that_stays_is_uniform_at_alpha_1(cutmix: ModuleType) -> None:
    random = np.random.default_rng(0)
    drawn = np.array([cutmix.draw(1.0, random) for _ in range(4000)])
    assert drawn.mean(0) == approx([0.5] * 3, abs=0.02)
    assert drawn.std(0) == approx([12**-0.5] * 3, abs=0.01)


def test_stopped_and_resumed_it_ends_with_the_same_bits(folder: Path, whole_run: Path, plain_run: Path) -> None:
    command = words(folder, folder / "stopped", "--recipe", "d-smooth", "--with", "cutmix")
    command += ["--plugin", str(folder / "cutmix.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*TOOL, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    resumed = run(*command, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed   after batch" in resumed.stdout
    assert weights(folder / "stopped") == weights(whole_run)  # d-cutmix is d-smooth +cutmix
    assert weights(whole_run) != weights(plain_run)  # negative control: it does something


def test_a_plugin_that_is_not_used_changes_no_bit(folder: Path, plain_run: Path) -> None:
    done = run(*words(folder, folder / "unused", "--recipe", "d-smooth", "--plugin", str(folder / "cutmix.py")))
    assert done.returncode == 0, done.stderr
    assert weights(folder / "unused") == weights(plain_run)
    settings_of = [json.loads((folder / name / "run.json").read_text())["settings"] for name in ("plain", "unused")]
    assert settings_of[0].keys() ^ settings_of[1].keys() == {"plugin"}
    assert "tricks" not in settings_of[1]["recipe"]


def test_run_json_has_the_content_and_no_path(folder: Path, whole_run: Path) -> None:
    record = json.loads((whole_run / "run.json").read_text())
    assert record["settings"]["plugin"] == hashlib.sha256((folder / "cutmix.py").read_bytes()).hexdigest()
    assert record["settings"]["recipe"]["tricks"] == {"cutmix": 1.0}
    assert record["recipe"] == "d-cutmix -zero-gamma"
    del record["command"], record["sittings"]  # what was typed, for people
    assert "cutmix.py" not in json.dumps(record)


@mark.usefixtures("own_registries")
@mark.parametrize(
    ("recipe", "change", "message"),
    [
        (["--recipe", "d-cutmix"], None, "unknown recipe 'd-cutmix': .*--plugin FILE.py, which a resumed run"),
        (["--with", "cutmix"], None, "--with cutmix: no such trick; .*--plugin FILE.py, which a resumed run"),
        (["--recipe", "d-cutmix"], "# one more word\n", ".*/copy was begun with the plugin of sha256 .*, and this"),
        ([], None, ".*/copy was begun with the plugin of sha256 .* is without plugin; give"),
    ],
)
def test_a_resume_wants_the_same_content_again(
    folder: Path,
    whole_run: Path,
    tmp_path: Path,
    capsys: CaptureFixture[str],
    recipe: list[str],
    change: str | None,
    message: str,
) -> None:
    """A run never loads a plugin by itself, even where its command says from where."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "run.json").write_bytes((whole_run / "run.json").read_bytes())
    plugin = []
    if change:
        (tmp_path / "changed.py").write_text(block("python") + change)
        plugin = ["--plugin", str(tmp_path / "changed.py")]
    with raises(SystemExit) as stopped:
        run_command(lambda: train_cls.main(words(folder, copy, "--recipe", "d-smooth", *recipe, *plugin, "--resume")))
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert re.match(f"error: {message}", errors)
    assert errors.count("\n") == 1


def test_the_documents_recipe(folder: Path) -> None:
    recipe, plugin = str(folder / "long.yaml"), str(folder / "cutmix.py")
    command = words(folder, folder / "long", "--recipe", recipe, "--plugin", plugin)
    done = run(*command)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "long" / "result.json").read_text())
    assert record["recipe"] == "d-long -zero-gamma"
    resolved = record["settings"]["recipe"]
    assert (resolved["epochs"], resolved["mixup"], resolved["tricks"]) == (200, 0.1, {"cutmix": 0.5})
    assert (resolved["schedule"], resolved["label_smoothing"]) == ("cosine", 0.1)  # the base's
    (folder / "other.yaml").write_text(block("yaml").replace("\nmixup: 0.1", "\nmixup: 0.2"))
    command[command.index(recipe)] = str(folder / "other.yaml")
    done = run(*command, "--resume")
    assert done.returncode == 2
    assert "holds another run (settings.recipe.mixup: 0.1 there, 0.2 asked)" in done.stderr


def test_the_list_has_the_plugins_recipes(folder: Path) -> None:
    assert "\nd-cutmix " in run("--recipe", "list", "--plugin", str(folder / "cutmix.py")).stdout
    assert "d-cutmix" not in run("--recipe", "list").stdout


@mark.usefixtures("own_registries")
def test_an_ablation_of_a_trick_of_ones_own(folder: Path, capsys: CaptureFixture[str], tmp_path: Path) -> None:
    study = ["--data", str(folder / "data"), "--network", "resnet18_d", "--mode", "cumulative", "--base", "d-smooth"]
    study += ["--tricks", "mixup", "cutmix", "--out", str(tmp_path), "--plan"]
    with raises(SystemExit):
        run_command(lambda: ablate.main(study))
    assert re.match("error: --tricks cutmix: no such trick; .* -- --plugin FILE.py", capsys.readouterr().err)
    ablate.main([*study, "--", "--plugin", str(folder / "cutmix.py")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(f"--plugin {folder / 'cutmix.py'}" in line for line in lines)
    assert "--with mixup cutmix " in lines[2]
