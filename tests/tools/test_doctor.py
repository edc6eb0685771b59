"""The command line of tools/doctor.py, in the environment of the tests and in broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pytest import mark

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / "tools" / "doctor.py")


def run(*words: str | Path, python: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, TOOL, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        check=False,
    )


def test_here_nothing_is_wrong(tmp_path: Path) -> None:
    process = run("--out", tmp_path / "runs", "--json", tmp_path / "doctor.json")
    assert process.returncode == 0, process.stdout
    document = json.loads((tmp_path / "doctor.json").read_text())
    assert document["counts"]["problem"] == 0
    by_subject = {finding["subject"]: finding for finding in document["findings"]}
    assert by_subject["ops"]["status"] == by_subject["toolkits"]["status"] == "ok"
    assert all((finding["remedy"] is None) == (finding["status"] == "ok") for finding in document["findings"])
    assert process.stdout.splitlines()[-1].startswith("0 problems, ")
    assert not (tmp_path / "runs").exists()


def test_without_mmdet_it_starts_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mmdet'] = None\n")
    process = run("--out", tmp_path, PYTHONPATH=str(tmp_path))
    assert process.returncode == 1
    found = process.stdout.splitlines()
    place = found.index("problem  import mmdet.models: cannot be found")
    assert found[place + 1].endswith("install --no-deps mmdet==3.3.0")
    assert found[-1].startswith("1 problems, ")
    assert any(line.startswith("ok       cache: ") for line in found)


def test_with_nothing_installed_it_goes_through_all_checks(tmp_path: Path) -> None:
    process = run("--out", tmp_path, python=("-S",))
    assert process.returncode == 1
    assert process.stderr == ""
    found = process.stdout.splitlines()
    for subject in ("versions", "import torch", "ops", "import mmdet.models", "devices"):
        place = next(index for index, line in enumerate(found) if line.startswith(f"problem  {subject}: "))
        assert found[place + 1].startswith("         -> ")
    assert any(line.startswith(("ok       memory", "warning  memory", "problem  memory")) for line in found)


@mark.parametrize("words", [["--dta", "x"], ["--data"], ["x"]])
def test_misuse_has_a_status_of_its_own(words: list[str]) -> None:
    assert run(*words).returncode == 2


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    process = run("--json", tmp_path, "--out", tmp_path, python=("-S",))
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: cannot write {tmp_path}")
