"""What people see: a table with progress, time left and metric; and where that comes from."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

from pytest import approx, mark
from rich.console import Console

from studies.suite.executors.board import DONE, FAILED, RUNNING, Board
from studies.suite.executors.display import LiveTable
from studies.suite.executors.progress import look
from studies.suite.planned_run import PlannedRun

Make = Callable[..., PlannedRun]


def begin(run: PlannedRun, *records: str, **asked: object) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "run.json").write_text(json.dumps(asked))
    (run.folder / "metrics.jsonl").write_text("".join(f"{record}\n" for record in records))


def test_progress_is_that_of_the_last_whole_record(planned: Make) -> None:
    run = planned("one")
    assert (look(run).share, look(run).metric) == (None, "")
    epoch = '{"kind": "epoch", "step": 3, "epoch": 1.0, "loss": 1.5, "top1": 42.0}'
    begin(run, epoch, '{"kind": "step", "st', settings={"epochs": 4})
    assert look(run).share == approx(0.25)
    assert look(run).metric == "top-1 42"
    (run.folder / "result.json").write_text(json.dumps({"metrics": {"top1": 50.25, "top5": 90}}))
    assert (look(run).share, look(run).metric) == (1.0, "top-1 50.25")


@mark.parametrize(("total", "share"), [({"total_steps": 200}, 0.2), ({}, None)])
def test_a_transfer_counts_steps(planned: Make, total: dict[str, int], share: float | None) -> None:
    run = PlannedRun(**{**vars(planned("one")), "kind": "segmentation"})
    begin(run, json.dumps({"kind": "step", "step": 40, **total, "loss": 0.5}))
    assert look(run).share == share
    assert look(run).metric == "loss 0.5"


def test_the_table_shows_every_run_with_its_state(planned: Make) -> None:
    runs = [planned(name) for name in ("ready", "working", "finished", "unlucky")]
    begin(runs[1], '{"kind": "step", "step": 1, "epoch": 1.0, "loss": 2.5}', settings={"epochs": 4})
    board = Board(runs)
    for name, state in (("working", RUNNING), ("finished", DONE), ("unlucky", FAILED)):
        board.all[name].state = state
    board.all["unlucky"].note = "exit code 1"
    board.all["working"].watch()
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - rich's to write to
    console.print(LiveTable(board).render())
    lines = console.export_text().splitlines()
    row = {line.split()[0]: line for line in lines if line.strip()}
    assert "1 waiting, 1 running, 1 done, 1 failed" in lines[0]
    assert "25%" in row["working"]
    assert "loss 2.5" in row["working"]
    assert "exit code 1" in row["unlucky"]
    assert "waiting" in row["ready"]


def test_on_a_terminal_there_is_a_table(planned: Make, tmp_path) -> None:
    """A real terminal of a process of its own, in which two runs work."""
    script = """
import pathlib, sys
sys.path.insert(0, {root!r})
from studies.suite.executors.display import shown
from studies.suite.executors.local import run_here
from studies.suite.planned_run import PlannedRun
from studies.suite.executors.slots import Slot
from studies.suite.executors.board import Board

root, work = pathlib.Path({folder!r}), {work!r}
runs = [PlannedRun(name, name, "classification", 0, (work, str(root / "runs" / name), "ok"), root / "runs" / name,
                   root / "runs" / name / "result.json", root / "logs" / (name + ".log")) for name in ("one", "two")]
board = Board(runs)
with shown(board) as reporter:
    run_here(runs, [Slot(())], board, reporter)
"""
    root = str(Path(__file__).resolve().parents[4])
    text = script.format(root=root, folder=str(tmp_path), work=planned("any").command[0])
    seen = bytearray()

    def read(terminal: int) -> bytes:
        piece = os.read(terminal, 1024)
        seen.extend(piece)
        return piece

    process = pty.spawn([sys.executable, "-c", text], read, lambda terminal: b"")
    printed = seen.decode(errors="replace")
    assert process == 0, printed
    assert "2 done" in printed
    assert "top-1 50" in printed
    assert "] one: begins" not in printed  # the lines for files
