"""The command line of tools/ablate.py, as a user meets it."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pytest import CaptureFixture, fixture, mark, raises
from safetensors.numpy import load_file

from backbones.errors import UserError
from tools.ablate import main, read_ablation

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, str(ROOT / "tools" / "ablate.py")]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
STUDY = ["--network", "mobilenet_v1_025", "--mode", "cumulative", "--base", "b-standard"]


@fixture
def data(tmp_path: Path) -> Path:
    """Two classes of coloured noise: 16 training and 4 validation images each."""
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for label in range(2):
            folder = tmp_path / "data" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (40, 36, 3), dtype=np.uint8)
                pixels[..., label] += 100
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "data"


@fixture
def command(data: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The command of a study of a few images at 32 px, in the folder ``out``."""

    def make(*words: str, epochs: int = 1) -> list[str]:
        training = ["--epochs", str(epochs), "--batch-size", "8", "--image-size", "32", "--workers", "0"]
        training += ["--keep", "all"]  # so that an interruption can be played on a finished run
        where = ["--data", str(data), "--out", str(tmp_path / "out")]
        return [*TOOL, *where, *STUDY, *words, "--", *training, "--device", "cpu", "--precision", "fp32"]

    return make


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=200, env=ENVIRONMENT, check=False, cwd=ROOT
    )


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "ablation.csv", newline="") as stream:
        return list(csv.DictReader(stream))


@mark.slow
def test_a_failing_run_does_not_stop_the_others_and_repeating_finishes(
    command: Callable[..., list[str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tricks = ["--tricks", "cosine", "label-smoothing", "--seeds", "0", "1"]
    obstacle = out / "b-standard_+cosine-seed0" / "notes.txt"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("not a run")
    done = run(command(*tricks))
    assert done.returncode == 1
    assert "6 runs, 0 of them finished already" in done.stdout
    assert done.stderr.count("FAILED: ") == 1
    assert "FAILED: + cosine, seed 0: error: " in done.stderr
    assert [(row["row"], row["seeds"], row["missing"]) for row in rows(out)] == [
        ("b-standard", "0 1", ""),
        ("+ cosine", "1", "0"),
        ("+ label-smoothing", "0 1", ""),
    ]
    text = (out / "ablation.md").read_text(encoding="utf-8")
    assert "+ cosine, seed 0: failed: error: " in text
    assert text in done.stdout

    obstacle.unlink()
    interrupted = out / "b-standard-seed1"
    before, weights = rows(out)[0], load_file(interrupted / "backbone.safetensors")
    (interrupted / "result.json").unlink()
    untouched = {path: path.stat().st_mtime_ns for path in out.glob("*label*/result.json")}
    done = run(command(*tricks))
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 runs, 4 of them finished already" in done.stdout
    assert "[2/2]" in done.stdout
    assert "resumed" in done.stdout
    assert len(untouched) == 2
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    assert rows(out)[0] == before
    again = load_file(interrupted / "backbone.safetensors")
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    table = json.loads((out / "ablation.json").read_text())
    assert [len(row["values"]) for row in table["rows"]] == [2, 2, 2]
    for row in table["rows"]:
        for seed, value in row["values"].items():
            folder = out / f"{row['recipe'].replace(' ', '_')}-seed{seed}"
            assert json.loads((folder / "result.json").read_text())["metrics"]["top1"] == value

    with raises(UserError, match=r"was run with settings\.epochs 1, and is asked for with 2"):
        main(command(*tricks, epochs=2)[2:])


@mark.slow
@mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_once_and_continued(command: Callable[..., list[str]], tmp_path: Path, stop: signal.Signals) -> None:
    words = command("--tricks", "cosine", epochs=3)
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            if stop == signal.SIGINT:
                os.killpg(process.pid, stop)  # as a terminal does: to the training as well
            else:
                process.terminate()  # as a scheduler may do: to the tool alone
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted: repeat the command to continue" in errors
    assert "Traceback" not in errors
    out = tmp_path / "out"
    assert not list(out.glob("*/result.json"))
    assert [row["missing"] for row in rows(out)] == ["0", "0"]
    done = run(words)
    assert done.returncode == 0, done.stderr
    assert "resumed   after batch" in done.stdout
    assert [row["seeds"] for row in rows(out)] == ["0", "0"]


def test_a_plan_prints_commands_and_writes_nothing(
    command: Callable[..., list[str]], tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    main(command("--tricks", "cosine", "--seeds", "0", "1", "1", "--plan")[2:])
    planned = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(planned) == 4  # a seed given twice is one seed
    assert all(words[0] == "python" and words[1].endswith("tools/train_cls.py") for words in planned)
    assert [words[words.index("--seed") + 1] for words in planned] == ["0", "0", "1", "1"]
    assert not (tmp_path / "out").exists()


@mark.parametrize(
    ("words", "message"),
    [
        ("--mode cumulative --network resnet18_d --tricks cosine", "needs --base RECIPE"),
        ("--mode cumulative --network resnet18_d --base b-standard", "needs --tricks"),
        ("--mode cumulative --base b-standard --tricks cosine", "--network not given"),
        ("--mode leave-one-out --network mobilenet_v1 --base d-smooth", "zero gamma needs residual blocks"),
        ("--mode leave-one-out --network resnet18_d --base d-smoth", "unknown recipe 'd-smoth'"),
        ("--preset table6", "need --teacher"),
        ("--preset table4-256 --tricks cosine", "take --base and --tricks away"),
        ("--preset table4-256 -- --seed 1", "--seed after --"),
        ("--preset table4-256 -- --recipe=d-smooth", "--recipe=d-smooth after --"),
        (
            "--mode cumulative --network resnet18_d --base b-standard --tricks linear-scaling -- --lr 0.1",
            "linear-scaling changes nothing",
        ),
        ("--preset table4-256", "/no/where is not a folder"),
    ],
)
def test_bad_requests_are_one_message(words: str, message: str, tmp_path: Path) -> None:
    with raises(UserError, match=message):
        main(["--data", "/no/where", "--out", str(tmp_path / "out"), *words.split()])
    assert not (tmp_path / "out").exists()


@mark.parametrize(
    ("words", "message"),
    [
        ("--preset table4-256 -- --epochs 0", "error: options after --: argument --epochs: must be 1 or more"),
        ("--preset table4-256 -- --epoch 1", "unrecognized arguments: --epoch"),
        ("--preset table5", "invalid choice: 'table5'"),
        ("--preset table6 --mode cumulative", "not allowed with argument"),
        ("--preset table6 --seeds", "expected at least one argument"),
    ],
)
def test_bad_options_exit_with_2(words: str, message: str, capsys: CaptureFixture[str]) -> None:
    with raises(SystemExit) as stopped:
        main(["--data", "x", "--out", "y", *words.split()])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_presets_take_the_papers_network_and_the_rows_of_the_networks_kind() -> None:
    where = ["--data", "x", "--out", "y"]
    ablation, plan = read_ablation([*where, "--preset", "table4-1024"])
    assert (ablation.network, ablation.seeds, plan) == ("resnet50_a", (0,), False)
    small, _ = read_ablation([*where, "--preset", "table6-without-distillation", "--network", "mobilenet_v1"])
    assert [row.label for row in small.rows] == ["efficient", "cosine", "smooth", "mixup"]
