"""The command line of tools/run_suite.py, as a user meets it, and a whole small suite."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pytest import CaptureFixture, MonkeyPatch, approx, fixture, mark, raises
from suite_weights import stand_in

from backbones.errors import UserError
from tools.run_suite import build_parser, main, report_words

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
seeds: [0]
baseline: b-standard
jobs: 2
shapes:
  small: {images: 24, size: 32, layouts: [classification]}
  large: {images: 8, size: 96, layouts: [segmentation]}
classification:
  data: shapes:small
  options: {epochs: 1, batch-size: 8, image-size: 32, workers: 0, device: cpu, precision: fp32}
segmentation:
  protocol: seg_configs/fcn_os8_demo.py
  data: shapes:large
  options:
    workers: 0
    precision: fp32
    total-batch: 2
    cfg-options: [train_cfg.max_iters=1]
rows:
  - {recipe: b-standard, network: mobilenet_v1_025, options: {lr: 0.01}}
  - {recipe: random, network: mobilenet_v1_025}
expected:
  b-standard:
    top1: {at-least: 0}
"""


@fixture
def suite(tmp_path: Path) -> Callable[..., Path]:
    def write(said: str = "", instead: str = "") -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(SUITE.replace(said, instead) if said else SUITE)
        return path

    return write


def printed_plan(capsys: CaptureFixture[str], *words: str) -> str:
    with raises(SystemExit) as ended:
        main([*words, "--plan"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_what_is_kept_is_an_option_of_every_run_and_makes_no_other_run(
    suite: Callable[..., Path], tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    words = [str(suite()), "--out", str(tmp_path / "out"), "--commands"]
    plain, kept = printed_plan(capsys, *words), printed_plan(capsys, *words, "--keep", "all")
    assert plain.count("    python ") == kept.count(" --keep all") == 3
    folders = [shlex.split(line)[-1] for text in (plain, kept) for line in text.splitlines() if "    python " in line]
    assert folders[:3] == folders[3:]  # named by the run's identity


def test_a_plan_shows_commands_and_states_and_makes_nothing(
    suite: Callable[..., Path], tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    text = printed_plan(capsys, str(suite()), "--out", str(out), "--seeds", "0", "3", "3", "--commands")
    commands = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("    python ")]
    assert len(commands) == 6  # a seed given twice is one seed
    assert {command[0] for command in commands} == {"tools/train_cls.py", "tools/transfer_seg.py"}
    assert "6 runs: 0 done, 6 to do" in text
    assert "    after b-standard seed 3 classification" in text
    assert "unknown for 6 runs" in text
    assert not out.exists()


def test_a_plan_ends_with_what_is_trained(suite: Callable[..., Path], capsys: CaptureFixture[str]) -> None:
    text = printed_plan(capsys, str(suite()), "--gpus-per-run", "2")
    assert (
        "classification (b-standard): 1 epoch, total batch 8 = 4 images x 2 processes, learning rate 0.01 (from --lr)\n"
        "segmentation (fcn_os8_demo): 1.0 epochs = 4 iterations x 2 / 8 images, learning rate 0.01 / 8 x 2 = 0.0025 "
        "(total batch 2 = 1 image x 2 processes)\n"
    ) in text
    assert "because" not in text
    text = printed_plan(capsys, str(suite()), "--gpus-per-run", "4", "--commands")  # two images have no four shares
    assert "(total batch 2 = 1 image x 2 processes), in 2 processes, because 4 cannot share it\n" in text
    assert "--nproc-per-node 2 tools/transfer_seg.py" in text
    assert "--nproc-per-node 4 tools/train_cls.py" in text


@mark.parametrize(
    ("said", "instead", "words", "message"),
    [
        (
            "train_cfg.max_iters=1",
            "train_dataloader.batch_size=2",
            [],
            r"mine\.yaml: segmentation\.options: --cfg-options train_dataloader\.batch_size: .*--total-batch N",
        ),
        (
            "total-batch: 2",
            "accumulate: 3",
            [],
            r"mine\.yaml: segmentation\.options: the total batch of 8 images cannot be cut into 1 processes x 3 parts",
        ),
        (
            "total-batch: 2",
            "accumulate: 1",
            ["--gpus-per-run", "3"],
            r"mine\.yaml: options of b-standard: --batch-size 8 cannot be cut into 3 processes",
        ),
    ],
)
def test_a_batch_that_cannot_be_is_found_before_anything_runs(
    said: str, instead: str, words: list[str], message: str, suite: Callable[..., Path], tmp_path: Path
) -> None:
    with raises(UserError, match=message):
        main([str(suite(said, instead)), "--out", str(tmp_path / "out"), "--plan", *words])
    assert not (tmp_path / "out").exists()


def test_some_rows_alone_come_with_the_teachers_they_need(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    words = (str(ROOT / "suites" / "section6.yaml"), "--out", str(tmp_path / "out"), "--seeds", "0")
    lines = printed_plan(capsys, *words, "--rows", "b-standard", "d-distill").splitlines()
    names = [line.split()[0] for line in lines if line.endswith("]") and " to do " in line]
    assert names == ["teacher", *["b-standard"] * 3, *["d-distill"] * 3]


@mark.parametrize("name", [path.stem for path in sorted((ROOT / "suites").glob("*.yaml"))])
def test_the_document_counts_the_runs_as_the_plan_does(
    name: str, tmp_path: Path, capsys: CaptureFixture[str], monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no data are
    stand_in(ROOT / "suites" / f"{name}.yaml", tmp_path)
    monkeypatch.setattr("studies.suite.run.Estimator", lambda out, gpu: None)
    monkeypatch.setattr("studies.suite.run.plan_lines", lambda runs, *_: [f"{len(runs)} runs"])
    counted = printed_plan(capsys, str(ROOT / "suites" / f"{name}.yaml")).splitlines()[0]
    (line,) = [line for line in (ROOT / "docs" / "suites.md").read_text().splitlines() if f"| `{name}` |" in line]
    assert f"| {counted}" in line


def test_the_teachers_of_teachers_come_too(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    text = (ROOT / "suites" / "section6.yaml").read_text()
    said = "{name: teacher, recipe: d-smooth, network: resnet152_d, seed: 0}"
    assert said in text
    instead = "{name: teacher, recipe: d-distill, network: resnet152_d, seed: 0, teacher: teacher-mixup}"
    (tmp_path / "mine.yaml").write_text(text.replace(said, instead))
    text = printed_plan(capsys, str(tmp_path / "mine.yaml"), "--seeds", "0", "--rows", "d-distill", "--commands")
    assert "teacher-mixup seed 0 classification" in text


def test_a_folder_that_cannot_be_made_is_one_message(suite: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises(UserError, match=r"cannot write .*file/out"):
        main([str(suite()), "--out", str(tmp_path / "file" / "out")])


def test_a_plan_reckons_with_what_was_measured_and_with_the_price(
    suite: Callable[..., Path], tmp_path: Path, capsys: CaptureFixture[str], monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.suite.executors.slots.visible_gpus", lambda: [])
    folder = tmp_path / "out" / "runs" / "earlier-seed0" / "seg-1"
    folder.mkdir(parents=True)
    result = {
        "task": "segmentation",
        "network": "mobilenet_v1_025",
        "protocol": "fcn_os8_demo",
        "timings": {"total_seconds": 1800.0},
        "hardware": {"device": "cpu", "processes": 2},
        "data": {},
    }
    (folder / "result.json").write_text(json.dumps(result))
    words = (str(suite()), "--out", str(tmp_path / "out"), "--price-per-hour", "3")
    text = printed_plan(capsys, *words)
    assert text.count("1.0       1.0  CPU-hours [1]") == 2
    assert "[1] finished runs like it in the suite's folder" in text
    assert "at least 2.0 CPU-hours, 6.0\nat 3 an hour of one device" in text  # 1.0 to do each, times 3
    assert "unknown for 1 runs" in text
    priced = printed_plan(capsys, *words, "--currency", "EUR")
    assert "at least 2.0 CPU-hours, 6.0 EUR\nat 3 EUR an hour of one device" in priced
    (folder / "result.json").write_text(json.dumps(result | {"network": "resnet18_d"}))
    unknown = printed_plan(capsys, *words)
    assert "CPU-hours" not in unknown
    assert "No price: unknown for 3 runs" in unknown


def test_the_papers_speed_stands_in_where_nothing_was_measured(capsys: CaptureFixture[str], tmp_path: Path) -> None:
    words = (str(ROOT / "suites" / "section6.yaml"), "--slurm", "--out", str(tmp_path / "out"))
    lines = printed_plan(capsys, *words).splitlines()
    (line,) = [line for line in lines if line.startswith("b-standard") and "classification" in line]
    # Table 3: 120 epochs of 4.4 minutes on 8 GPUs for ResNet-50; ResNet-50-B has 4.1 GFLOPs for its 3.8 (Table 5).
    each = float(line.partition("5 to do")[2].split()[0])
    assert 120 * 4.4 * 8 / 60 < each < 120 * 4.4 * 8 / 60 * 1.1
    assert any("missing: " in line for line in lines)
    assert max(map(len, lines[: lines.index("89 runs: 0 done, 89 to do")])) <= 100


@mark.parametrize(
    ("words", "message"),
    [
        (
            ["--rows", "b-standart"],
            r"--rows b-standart: .*mine\.yaml has no such row; did you mean b-standard\? it has ",
        ),
        (["--data", "classification"], "--data classification: write TASK=DIR"),
        (["--data", "detection=x"], r"--data detection=.*x: .*mine\.yaml has no detection"),
        (["--data", "classification=/no/where"], r"mine\.yaml: /no/where: no such folder; give yours with --data"),
        (["--price-per-hour", "2"], "--price-per-hour goes with --plan"),
        (["--commands"], "--commands goes with --plan"),
        (["--plan", "--currency", "EUR"], "--currency goes with --price-per-hour"),
        (["--slurm", "--jobs", "2"], "--jobs is for this machine"),
        (["--slurm", "partition"], "--slurm partition: write KEY=VALUE"),
    ],
)
def test_bad_requests_are_one_message(
    words: list[str], message: str, suite: Callable[..., Path], tmp_path: Path
) -> None:
    with raises(UserError, match=message):
        main([str(suite()), "--out", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()


def test_without_submitit_there_is_the_command_that_installs_it(
    suite: Callable[..., Path], tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with raises(UserError, match="needs submitit, which is not installed: pip install submitit"):
        main([str(suite()), "--out", str(tmp_path / "out"), "--slurm", "partition=x"])


def test_a_plan_shows_further_transfers_of_a_training(
    suite: Callable[..., Path], tmp_path: Path, capsys: CaptureFixture[str]
) -> None:
    path = suite("seeds: [0]", "seeds: [0, 1]\ntransfers-per-training: 2")
    lines = printed_plan(capsys, str(path), "--out", str(tmp_path / "out"), "--commands").splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("b-standard seed 1 segmentation 2 "))
    assert lines[place + 1] == "    after b-standard seed 1 classification"
    assert " --seed 1001 " in lines[place + 2]
    assert any(line.startswith("10 runs: 0 done, 10 to do") for line in lines)


def run_it(path: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """The command, as a user gives it."""
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "run_suite.py", path, "--out", out],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "CUDA_VISIBLE_DEVICES": ""},
        timeout=900,
        check=False,
    )


@mark.slow
def test_a_suite_whose_trainings_get_a_second_transfer(suite: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    once = run_it(suite("seeds: [0]", "seeds: [0, 1]"), out)
    assert once.returncode == 0, once.stdout + once.stderr
    first = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/result.json")}
    assert len(first) == 6

    twice = run_it(suite("seeds: [0]", "seeds: [0, 1]\ntransfers-per-training: 2"), out)
    assert twice.returncode == 0, twice.stdout + twice.stderr
    assert "10 runs in " in twice.stdout
    assert "6 of them done" in twice.stdout
    assert {path: path.stat().st_mtime_ns for path in first} == first
    comparison = json.loads((out / "report" / "comparison.json").read_text())
    cells = {row["name"]: row["cells"]["miou"] for row in comparison["rows"]}
    assert cells["b-standard"]["seeds"] == [0, 1]
    assert cells["random"]["seeds"] == [0, 1, 1000, 1001]
    for seed, value in zip((0, 1), cells["b-standard"]["values"], strict=True):
        results = [json.loads(path.read_text()) for path in out.glob(f"runs/b-standard-seed{seed}/seg*/result.json")]
        assert sorted(result["seed"] for result in results) == [seed, seed + 1000]
        assert {result["backbone"]["seed"] for result in results} == {seed}
        assert value == approx(sum(result["metrics"]["miou"] for result in results) / 2)
    (components,) = [each for each in comparison["components"] if each["metric"] == "miou"]
    assert (components["training_degrees"], components["transfer_degrees"]) == (1, 2)
    assert "Several transfers of each training: b-standard." in " ".join(twice.stdout.split())


@mark.slow
def test_a_whole_suite_and_again(suite: Callable[..., Path], tmp_path: Path) -> None:
    def run(path: Path) -> subprocess.CompletedProcess[str]:
        return run_it(path, tmp_path / "out")

    done = run(suite())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 runs in " in done.stdout
    assert "b-standard seed 0 segmentation: done, mIoU" in done.stdout
    assert "as expected: all 1 metrics" in done.stdout
    assert (tmp_path / "out" / "report").is_dir()
    assert str(tmp_path / "out" / "report") in done.stdout
    listed = json.loads((tmp_path / "out" / "suite.json").read_text())["runs"]
    results = {run["name"]: tmp_path / "out" / run["folder"] / "result.json" for run in listed}
    written = {name: path.stat().st_mtime_ns for name, path in results.items()}

    missed = run(suite("at-least: 0", "at-least: 100"))
    assert missed.returncode == 1
    assert "3 of them done" in missed.stdout
    assert "NOT AS EXPECTED: b-standard: top1 is " in missed.stdout
    assert {name: path.stat().st_mtime_ns for name, path in results.items()} == written


def test_the_report_is_given_the_command_that_adds_seeds(tmp_path: Path) -> None:
    words = ["a b.yaml", "--out", "x", "--data", "detection=/my data", "--jobs", "2", "--seeds", "0", "1", "--open"]
    told = report_words(build_parser().parse_args(words), tmp_path)
    command = f"python tools/run_suite.py 'a b.yaml' --out {tmp_path} --data 'detection=/my data' --jobs 2 --seeds"
    assert told == ("--seeds-command", command, "--open")
    again = build_parser().parse_args([*shlex.split(command)[2:], "0", "1", "2"])
    assert again.seeds == [0, 1, 2]
    assert again.data == ["detection=/my data"]
    assert report_words(build_parser().parse_args([*words, "--adaptive"]), tmp_path) == (
        "--open",
    )  # its plan adds them
