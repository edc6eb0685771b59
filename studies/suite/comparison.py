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

from backbones.bundles.bundle import read_bundle
from backbones.cli.shell import shell_command
from backbones.errors import UserError, not_none
from backbones.runs.fingerprint import ROOT
from backbones.runs.record import read_record
from studies.comparison.compare import Comparison
from studies.comparison.rows import Row
from studies.results.looks_file import NAME, write_looks
from studies.results.paper import recipe_order
from studies.statistics.looks import Looks
from studies.suite.definition import Suite
from studies.suite.planned_run import PlannedRun

FOLDER = "compared"


def compare(
    runs: Sequence[PlannedRun], out: Path, suite: Suite, further: Sequence[str] = (), looks: Looks | None = None
) -> int:
    """Link the runs, print ``tools/compare.py``'s command, and run it; its exit code.

    Args:
        runs: Of the suite.
        out: Its folder.
        suite: Which.
        further: Words that the command ends with.
        looks: Of a suite that adds seeds where a verdict is open.
    """
    link_runs(runs, out, looks)
    words = command_words(runs, out, suite, further)
    print(f"python {shell_command(words)}\n", flush=True)
    return subprocess.call([sys.executable, *words], cwd=ROOT)


def command_words(runs: Sequence[PlannedRun], out: Path, suite: Suite, further: Sequence[str] = ()) -> list[str]:
    """The command that writes the suite's report."""
    words = ["tools/compare.py", str(out / FOLDER), "--out", str(out / "report")]
    for name, value in (("baseline", label_of_baseline(runs, suite)), ("title", suite.title), ("note", suite.note)):
        if value:
            words += [f"--{name}", value]
    words.append("--end-with-answer")
    for stated in stated_recipes(runs, suite):
        words += ["--beside", stated]
    for recipe, name in names_of_weights(runs, suite).items():
        words += ["--call", f"{recipe}={name}"]
    return [*words, *further]


def baseline_row(suite: Suite) -> str:
    """The name, in a suite, of the row that the others are compared with.

    Raises:
        UserError: It names none, or one that several rows fit.
    """
    fitting = [
        row.name
        for row in suite.rows
        if suite.baseline
        and suite.baseline
        in (row.name, row.recipe, f"{row.recipe} ({row.network})", row.source.source if row.source else row.name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    raise UserError(
        f"{suite.path}: the baseline, {suite.baseline}, fits {len(fitting)} rows; controls and adaptive suites need "
        f"one of {', '.join(row.name for row in suite.rows)}"
    )


def label_of_baseline(runs: Sequence[PlannedRun], suite: Suite) -> str | None:
    """What a comparison calls the baseline: weights from elsewhere go by their own name there, not by their row's."""
    row = next((row for row in suite.rows if row.source and row.name == suite.baseline), None)
    if row is None:
        return suite.baseline
    source = not_none(row.source)
    for recipe, name in _begun_recipes(runs, suite):
        if name == row.name:
            return recipe
    return str(read_bundle(source.source).training.get("recipe")) if source.finished else source.source


def stated_recipes(runs: Sequence[PlannedRun], suite: Suite) -> list[str]:
    """WEIGHTS=RECIPE for each row of public weights that has the name of a row of the paper, once a run of it began."""
    begun = _begun_recipes(runs, suite)
    return list(dict.fromkeys(f"{recipe}={row}" for recipe, row in begun if row in recipe_order()))


def names_of_weights(runs: Sequence[PlannedRun], suite: Suite) -> dict[str, str]:
    """The names of the rows of weights from elsewhere by what a comparison would call them, once a run of them began.

    Those that have the name of a row of the paper keep their own, which tells them from that row.
    """
    return {recipe: row for recipe, row in _begun_recipes(runs, suite) if row not in recipe_order()}


def _begun_recipes(runs: Sequence[PlannedRun], suite: Suite) -> list[tuple[str, str]]:
    """What the runs of weights from elsewhere that began record as their recipe, and the name of the row of each."""
    rows = {row.name for row in suite.rows if row.source}
    records = [(run.folder / "run.json", run.row) for run in runs if run.compared and run.row in rows]
    begun = [(read_record(path).get("recipe"), row) for path, row in records if path.is_file()]
    return [(str(recipe), row) for recipe, row in begun if recipe]


def link_runs(runs: Sequence[PlannedRun], out: Path, looks: Looks | None = None) -> None:
    """Make ``compared/ROW-seedN/TASK`` lead to the run folders that there are, and to nothing else.

    ``looks`` are put beside them, for whoever compares.
    """
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
    if looks:
        folder.mkdir(parents=True, exist_ok=True)
        write_looks(folder, looks)
    else:
        (folder / NAME).unlink(missing_ok=True)


def names_of_rows(comparison: Comparison, runs: Sequence[PlannedRun]) -> list[str | None]:
    """What the suite calls the rows of a comparison of ``compared/``, where a row has the folders of its runs."""
    homes = {run.folder.parent.name: run.row for run in runs if run.compared and run.seed is not None}

    def name(row: Row) -> str | None:
        return next((homes[part] for path in row.runs if (part := Path(path).parts[0]) in homes), None)

    return [name(row) for row in comparison.rows]
