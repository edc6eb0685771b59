"""The runs of a suite, and no others, put where ``tools/compare.py`` reads them.

Runs of older code or other settings stay where they are, so that going back finds them done. The comparison reads
``compared/``, which has a link to each run that the suite asks for now.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from backbones.cli.shell import shell_command
from backbones.runs.fingerprint import ROOT
from backbones.runs.record import read_record
from studies.results.paper import recipe_order
from studies.suite.definition import Suite
from studies.suite.planned_run import PlannedRun

FOLDER = "compared"


def compare(runs: Sequence[PlannedRun], out: Path, suite: Suite) -> int:
    """Link the runs, print ``tools/compare.py``'s command, and run it; its exit code."""
    link_runs(runs, out)
    words = ["tools/compare.py", str(out / FOLDER), "--out", str(out / "report")]
    for name in ("baseline", "title", "note"):
        if value := getattr(suite, name):
            words += [f"--{name}", value]
    for stated in stated_recipes(runs, suite):
        words += ["--beside", stated]
    print(f"python {shell_command(words)}\n", flush=True)
    return subprocess.call([sys.executable, *words], cwd=ROOT)


def stated_recipes(runs: Sequence[PlannedRun], suite: Suite) -> list[str]:
    """WEIGHTS=RECIPE for each row of public weights that has the name of a row of the paper, once a run of it began."""
    rows = {row.name for row in suite.rows if row.source and row.name in recipe_order()}
    records = [(run.folder / "run.json", run.row) for run in runs if run.compared and run.row in rows]
    begun = [(read_record(path).get("recipe"), row) for path, row in records if path.is_file()]
    return list(dict.fromkeys(f"{recipe}={row}" for recipe, row in begun if recipe))


def link_runs(runs: Sequence[PlannedRun], out: Path) -> None:
    """Make ``compared/ROW-seedN/TASK`` lead to the run folders that there are, and to nothing else."""
    folder = out / FOLDER
    wanted = {
        folder / run.folder.parent.name / run.folder.name.partition("-")[0]: run.folder
        for run in runs
        if run.compared and run.folder.is_dir()
    }
    for link in folder.glob("*/*"):
        if link.is_symlink() and link not in wanted:
            link.unlink(missing_ok=True)
    for link, target in wanted.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
        temporary.symlink_to(os.path.relpath(target, link.parent))
        os.replace(temporary, link)
