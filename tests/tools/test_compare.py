"""``tools/compare.py`` from outside: what it prints, what it writes, how it exits."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import compare

TOOL = Path(__file__).resolve().parents[2] / "tools" / "compare.py"
FILES = {"comparison.md", "comparison.csv", "comparison.json", "index.html", "tables.tex"}


def call(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    variables = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, encoding="utf-8", timeout=60)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two rows with all three tasks, and one unfinished run."""
    root = tmp_path / "runs"
    for recipe, gain in (("b-standard", 0.0), ("d-smooth", 2.0)):
        for task, metrics in (
            ("classification", {"top1": 60 + gain, "top5": 85}),
            ("detection", {"voc07_map": 40 + gain, "voc_map": 41 + gain}),
            ("segmentation", {"pixel_accuracy": 70 - gain, "miou": 30 - gain}),
        ):
            asked = {"task": task, "recipe": recipe, "network": "resnet18_d", "seed": 0, "config_hash": f"{task:.4}"}
            asked |= {"proof": {"features": {"equal": True}}}
            folder = root / f"{recipe}-{task}"
            folder.mkdir(parents=True)
            (folder / "run.json").write_text(json.dumps(asked))
            (folder / "result.json").write_text(json.dumps({**asked, "metrics": metrics}))
    waiting = root / "waiting"
    waiting.mkdir()
    asked = {"task": "detection", "recipe": "d-smooth", "network": "resnet18_d", "seed": 1}
    (waiting / "run.json").write_text(json.dumps(asked))
    return root


def test_prints_a_table_and_writes_the_report(runs: Path, tmp_path: Path) -> None:
    done = call("runs", "--baseline", "b-standard", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    smooth = next(line for line in lines if line.startswith("d-smooth")).split()
    assert " ".join(smooth) == "d-smooth 62.00 +2.00 42.00 +2.00 43.00 +2.00 28.00 -2.00 68.00 -2.00"
    assert any(line.startswith("unfinished: waiting") for line in lines)
    assert lines[-2:] == ["runs/report/comparison.md", "runs/report/index.html"]
    assert {path.name for path in (runs / "report").iterdir()} == FILES
    assert json.loads((runs / "report" / "comparison.json").read_text())["baseline"] == "b-standard"
    with open(runs / "report" / "comparison.csv", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 10
    assert "| **d-smooth**" in (tmp_path / lines[-2]).read_text(encoding="utf-8")


def test_out_and_default_baseline(runs: Path, tmp_path: Path) -> None:
    done = call(runs, "--out", tmp_path / "elsewhere", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == str(tmp_path / "elsewhere" / "index.html")
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == FILES
    assert not (runs / "report").exists()


def test_the_answer_is_the_last_line_where_that_is_asked_for(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare.main([str(runs), "--baseline", "b-standard", "--open", "--end-with-answer"])
    first, *_, page, address, answer = capsys.readouterr().out.splitlines()
    assert page.endswith("index.html")
    assert address.startswith("file:")
    assert answer.startswith("answer: One seed is too few to tell: d-smooth is at +2.0 top-1")
    assert answer.startswith(f"answer: {first}")


def test_a_second_call_replaces_the_report(runs: Path, tmp_path: Path) -> None:
    call(runs, cwd=tmp_path)
    done = call(runs, "--baseline", "d-smooth", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads((runs / "report" / "comparison.json").read_text())["baseline"] == "d-smooth"
    assert {path.name for path in (runs / "report").iterdir()} == FILES


def test_the_page_has_the_title_that_was_asked_for(runs: Path, tmp_path: Path) -> None:
    assert call(runs, "--title", "Mine & yours", "--no-images", cwd=tmp_path).returncode == 0
    page = (runs / "report" / "index.html").read_text(encoding="utf-8")
    assert "<h1>Mine &amp; yours</h1>" in page
    assert "no images of the data" in page


def test_several_protocols_are_a_section_each_and_the_address_is_told(runs: Path, tmp_path: Path) -> None:
    other = runs / "other"
    other.mkdir()
    record = json.loads((runs / "d-smooth-detection" / "result.json").read_text())
    (other / "result.json").write_text(json.dumps({**record, "config_hash": "another", "protocol": "fpn"}))
    done = call(runs, "--open", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == (runs / "report" / "index.html").as_uri()
    assert lines[1].startswith("One seed is too few to tell: d-smooth is at +2.0 top-1")
    assert "Detection (fpn)" in lines
    assert {path.name for path in (runs / "report").iterdir()} == {*FILES, "2-detection-fpn"}
    assert {path.name for path in (runs / "report" / "2-detection-fpn").iterdir()} == FILES - {"index.html"}


def test_what_readers_are_to_know_comes_first(runs: Path, tmp_path: Path) -> None:
    done = call(runs, "--note", "Drawings <all>.", "--note", "Few steps.", cwd=tmp_path)
    assert done.returncode == 0
    assert "\nDrawings <all>.\nFew steps.\n" in done.stdout
    text = (runs / "report" / "comparison.md").read_text(encoding="utf-8")
    assert text.index("- Drawings") < text.index("- Few steps.") < text.index("- Δ: ")
    page = (runs / "report" / "index.html").read_text(encoding="utf-8")
    assert page.index("Read this first.") < page.index("<p>Drawings &lt;all&gt;.</p>") < page.index('id="tables"')


def test_a_row_is_called_as_its_owner_likes(runs: Path, tmp_path: Path) -> None:
    done = call(
        runs, "--call", "d-smooth=Ours & co", "--call", "b-standard=theirs", "--baseline", "theirs", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("One seed is too few to tell: Ours & co is at +2.0 top-1")
    record = json.loads((runs / "report" / "comparison.json").read_text(encoding="utf-8"))
    assert record["baseline"] == "theirs"
    assert {row["recipe"]: row["name"] for row in record["rows"]} == {"b-standard": "theirs", "d-smooth": "Ours & co"}
    page = (runs / "report" / "index.html").read_text(encoding="utf-8")
    assert "Ours &amp; co" in page
    assert "Ours & co" not in page


def test_a_terminal_without_the_symbols(runs: Path, tmp_path: Path) -> None:
    done = call(runs, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("index.html")
    assert "Δ" in (runs / "report" / "comparison.md").read_text(encoding="utf-8")


def test_user_errors_exit_with_2_and_write_nothing(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, fragment in (
        ((tmp_path / "empty",), "no finished run"),
        ((tmp_path / "nowhere",), "is not a folder"),
        ((runs, "--beside", "timm:resnet50d=d-mixupp"), "--beside timm:resnet50d=d-mixupp: write WEIGHTS=RECIPE"),
        ((runs, "--beside", "d-smooth=d-mixup"), "--beside d-smooth=d-mixup: write WEIGHTS=RECIPE"),
        ((runs, "--call", "d-smoth=mine"), "--call d-smoth=mine: no such row; did you mean d-smooth?"),
        ((runs, "--call", "d-smooth="), "--call d-smooth=: write RECIPE=NAME"),
        ((runs, "--call", "d-smooth=b-standard"), "would both be called b-standard"),
        ((runs, "--baseline", "d-smoth"), 'no such row; the rows are "b-standard", "d-smooth"'),
    ):
        done = call(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert fragment in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (runs / "report").exists()
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("baseline", ["d-mixup", "torchvision:resnet50.IMAGENET1K_V1", "d-mixup (resnet50_d)"])
def test_a_baseline_that_has_no_run_yet_is_a_report_that_says_so(runs: Path, tmp_path: Path, baseline: str) -> None:
    done = call(runs, "--baseline", baseline, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f'NOT COMPARED: no run of the baseline, the row "{baseline}"' in " ".join(done.stdout.split())
    assert "Δ: difference from" not in done.stdout
    smooth = next(line for line in done.stdout.splitlines() if line.startswith("d-smooth")).split()
    assert smooth == ["d-smooth", *" \u2013 ".join(("62.00", "42.00", "43.00", "28.00", "68.00")).split(), "\u2013"]
    assert {path.name for path in (runs / "report").iterdir()} == FILES


def test_a_corrupt_result_is_named(runs: Path, tmp_path: Path) -> None:
    broken = runs / "d-smooth-detection" / "result.json"
    broken.write_text(broken.read_text()[:-5])
    done = call(runs, cwd=tmp_path)
    assert done.returncode == 2
    assert str(broken) in done.stderr


def test_unknown_option_and_help(tmp_path: Path) -> None:
    assert call("runs", "--frobnicate", cwd=tmp_path).returncode == 2
    done = call("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--baseline ROW" in done.stdout
