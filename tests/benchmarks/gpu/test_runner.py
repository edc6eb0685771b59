"""Steps are done once, go on where they were ended, and do not take each other down; here of no length, on a CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import tiny_gpu_steps
import torch
from pytest import MonkeyPatch, fixture, mark, raises

from backbones.errors import MachineError, UserError
from backbones.files import read_json
from benchmarks.gpu import __main__ as command
from benchmarks.gpu.document import NOT_YET, document
from benchmarks.gpu.record import Record, read_machines
from benchmarks.gpu.registry import STEPS
from benchmarks.gpu.runner import Asked, run_steps
from benchmarks.gpu.step import Step

pytestmark = mark.processes
REPOSITORY = Path(__file__).resolve().parents[3]


@fixture
def asked(tmp_path: Path, monkeypatch: MonkeyPatch) -> Asked:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]))
    return Asked(
        torch.device("cpu"), tmp_path, tmp_path / "scratch", None, 60.0, None, False, True, tiny_gpu_steps.__name__
    )


def steps(*names: str) -> list[Step]:
    return [step for name in names for step in tiny_gpu_steps.STEPS if step.name == name]


def entries(asked: Asked) -> dict[str, dict]:
    (found,) = read_machines(asked.out / "gpu.json").values()
    return found


def rounds(asked: Asked, name: str) -> int:
    return int((asked.scratch / name / "rounds").read_text())


def test_what_fails_is_written_down_and_the_others_go_on(asked: Asked) -> None:
    said: list[str] = []
    assert run_steps(steps("quick", "broken", "in-three"), asked, said.append) == 1
    found = entries(asked)
    assert {name: entry["status"] for name, entry in found.items()} == {
        "quick": "measured",
        "broken": "failed",
        "in-three": "measured",
    }
    assert found["broken"]["error"].strip() == "error: round 1 found no such thing"
    assert found["quick"]["figures"] == {"here": {"rounds": 1}}
    assert rounds(asked, "in-three") == 6  # of two counts each
    assert {"command", "date", "seconds", "hardware", "versions"} <= found["quick"].keys()
    assert any("broken: failed" in line and "round 1 found no such thing" in line for line in said)
    text = (asked.out / "gpu.md").read_text()
    assert NOT_YET in text  # the real steps, of which none was done

    assert run_steps(steps("quick", "broken"), asked, said.append) == 1
    assert (rounds(asked, "quick"), rounds(asked, "broken")) == (1, 2)
    assert run_steps(steps("quick"), replace(asked, again=True), said.append) == 0
    assert rounds(asked, "quick") == 2


def test_one_round_and_then_the_next(asked: Asked) -> None:
    once = replace(asked, rounds=1)
    for count, status in ((2, "unfinished"), (4, "unfinished"), (6, "measured")):
        assert run_steps(steps("in-three", "quick"), once, print) == 0
        assert rounds(asked, "in-three") == count
        assert entries(asked)["in-three"]["status"] == status
    assert "quick" not in entries(asked)
    run_steps(steps("in-three", "quick"), once, print)
    assert entries(asked)["quick"]["status"] == "measured"


def test_what_takes_too_long_is_ended(asked: Asked) -> None:
    assert run_steps(steps("endless"), replace(asked, seconds=3.0), print) == 1
    assert entries(asked)["endless"]["error"] == "it was ended after the 3 s of a round"
    assert entries(asked)["endless"]["seconds"] < 30


def test_a_kill_loses_one_step_alone(asked: Asked) -> None:
    script = (
        "import torch, sys; from pathlib import Path\n"
        "from benchmarks.gpu.runner import Asked, run_steps; import tiny_gpu_steps as t\n"
        "out = Path(sys.argv[1])\n"
        "run_steps([t.STEPS[0], t.STEPS[4]], Asked(torch.device('cpu'), out, out / 'scratch', None, 60.0, None, "
        "False, True, t.__name__), print)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, asked.out], start_new_session=True)
    waiting = asked.scratch / "waits-once" / "rounds"
    deadline = time.monotonic() + 120
    while not waiting.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert entries(asked).keys() == {"quick"}
    assert run_steps([tiny_gpu_steps.STEPS[0], tiny_gpu_steps.STEPS[4]], asked, print) == 0
    assert entries(asked)["waits-once"]["status"] == "measured"
    assert rounds(asked, "quick") == 1


def test_without_a_gpu_there_is_one_line(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with raises(MachineError, match=r"no CUDA device: PyTorch .* sees none here; docs/gpu.md says") as caught:
        command.main(["--out", str(tmp_path)])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_step_that_there_is_not(capsys) -> None:  # type: ignore[no-untyped-def]
    with raises(UserError, match=r"no step ratez; did you mean rates\? there are kernels, "):
        command.main(["ratez"])
    command.main(["--list", "rates", "study"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["rates", "study", "together"]


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gpu.json").write_text('{"format": 7}')
    with raises(UserError, match=r"gpu\.json is not a file of python -m benchmarks\.gpu"):
        Record(tmp_path / "gpu.json", "any").write("quick", {})
    assert read_json(tmp_path / "gpu.json") == {"format": 7}


def test_the_document_is_that_of_the_figures() -> None:
    docs = REPOSITORY / "docs"
    assert (docs / "gpu.md").read_text() == document(read_machines(docs / "gpu.json"))
    assert document({}).count(f"**{NOT_YET}**") == len(STEPS)


def test_the_document_shows_what_was_found_and_what_failed() -> None:
    facts = {"command": "python x", "date": "2026-01-01", "seconds": 12.0, "hardware": {"cpus": 4}, "versions": {}}
    figures = {"figures": {"ours": {"images/s": 1234.0}}, "notes": ["batch 128"], **facts, "status": "measured"}
    failed = {**facts, "status": "failed", "error": "Traceback\nno memory"}
    text = document({"Card": {"rates": figures, "peers": failed, "study": {**figures, "status": "unfinished"}}})
    assert "1,234" in text
    assert "**failed**: Traceback no memory" in text
    assert "**unfinished**" in text
    assert text.count(f"**{NOT_YET}**") == len(STEPS) - 3
    assert "measured on Card" in text
