"""The resource campaign, on a program of a few lines: one that is right, and some that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from pytest import fixture, mark, param, skip

from campaigns.engine.records import Records
from campaigns.engine.trial import DIED, MESSAGE, REFUSED, SAME, SILENT, TRACEBACK
from campaigns.engine.workloads import Workload
from campaigns.resources import subjects, try_lacks
from campaigns.starving.lacks import LACKS, RUN, Lack, has_namespaces

pytestmark = mark.processes

# Writes 100,000 bytes, keeps 30 files open, takes 50 MB and a lock.
PROGRAM = """
import fcntl, os, pathlib, sys
folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True, exist_ok=True)
try:
    {before}
    kept = [open(sys.argv[0]) for _ in range(30)]
    lock = open(folder / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    taken = bytearray(50_000_000)
    (folder / "part").write_bytes(bytes(100_000))
    os.replace(folder / "part", folder / "whole")
except (OSError, MemoryError) as error:
    {refuse}
"""
GOOD = {
    "before": "pass",
    "refuse": "sys.exit(print(f'error: {folder}: {error or \"no memory\"}', file=sys.stderr) or 2)",
}
FILES = Lack("descriptors", lambda _: 12, ("descriptor",))
MEMORY = Lack("memory", lambda _: 10, ("memory",))
SIZE = Lack("file size", lambda _: 50_000, ("disk",))
LOCKS = Lack("locks", lambda _: "ENOLCK", ("lock",))
DISK = Lack("disk", lambda _: 64, ("disk",), mount=RUN)


@fixture
def outcome(tmp_path: Path) -> Callable[..., str]:
    """Runs a program made of the parts above with too little of something, and says what became of it."""

    def result(folder: Path) -> str:
        return str((folder / "whole").stat().st_size)

    def try_it(lack: Lack, **parts: str) -> str:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(**{**GOOD, **parts}))
        workload = Workload("program", lambda folder: [str(program), str(folder)], result, 20.0)
        records = Records(tmp_path / "trials.jsonl", "now")
        (trial,) = try_lacks({"it": (workload, lack)}, [0], tmp_path / "trials", records)
        assert trial.what.startswith(lack.name)
        return trial.outcome

    return try_it


@mark.parametrize("lack", [FILES, MEMORY, SIZE, LOCKS, DISK], ids=lambda lack: lack.name)
def test_what_is_refused_in_a_line_and_can_be_repeated_passes(lack: Lack, outcome: Callable[..., str]) -> None:
    if lack.needs_namespaces and not has_namespaces():
        skip("no file system can be mounted here")
    assert outcome(lack) == REFUSED


@mark.parametrize(("name", "enough"), [("descriptors", 100), ("memory", 500), ("file size", 1_000_000)])
def test_what_has_enough_is_not_disturbed(name: str, enough: int, outcome: Callable[..., str]) -> None:
    assert outcome(Lack(name, lambda _: enough, ())) == SAME


@mark.parametrize(
    ("parts", "wanted"),
    [
        param({"refuse": "raise"}, TRACEBACK, id="traceback"),
        param({"refuse": "sys.exit(print('error: no', file=sys.stderr) or 2)"}, MESSAGE, id="names nothing"),
        param({"refuse": "pass"}, SILENT, id="says nothing"),
        param(
            {"before": "if (folder / 'lock').exists(): sys.exit(print(f'error: {folder}', file=sys.stderr) or 2)"},
            DIED,
            id="cannot be repeated",
        ),
    ],
)
def test_what_nobody_can_live_with_fails(parts: dict[str, str], wanted: str, outcome: Callable[..., str]) -> None:
    assert outcome(SIZE, **parts) == wanted


def test_a_seed_draws_the_same_again() -> None:
    for lack in LACKS:
        assert lack.draw(Random(3)) == lack.draw(Random(3))
    assert {"train_cls-memory", "compare-descriptors"} <= set(subjects())
