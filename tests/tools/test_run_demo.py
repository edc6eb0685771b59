"""The demo's commands and how it runs them; the runs themselves are those of the tools it calls."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

from pytest import CaptureFixture, fixture, raises

ROOT = Path(__file__).resolve().parents[2]


@fixture
def demo() -> ModuleType:
    specification = importlib.util.spec_from_file_location("run_demo", ROOT / "tools" / "run_demo.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["run_demo"] = module
    specification.loader.exec_module(module)
    return module


def test_three_rows_with_two_tasks_each(demo: ModuleType) -> None:
    trainings = list(demo.trainings(Path("small"), Path("out"), 3))
    transfers = list(demo.transfers(Path("large"), Path("out"), 3))
    assert [job.name for job in trainings] == ["b-standard cls", "d-smooth cls"]
    assert [job.name for job in transfers] == [
        f"{row} {task}" for row in ("b-standard", "d-smooth", "random") for task in ("det", "seg")
    ]
    for job in (*trainings, *transfers):
        assert (ROOT / job.command[0]).is_file()
        assert job.command[job.command.index("--seed") + 1] == "3"
        assert "--resume" in job.command
    for job in transfers:
        assert (ROOT / job.command[1]).is_file()
        backbone = job.command[job.command.index("--backbone") + 1]
        training = next((run for run in trainings if run.name.split()[0] == job.name.split()[0]), None)
        out = training.command[training.command.index("--out") + 1] if training else None
        assert backbone == (f"{out}/backbone.safetensors" if out else "random:resnet18_d")


def script(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_every_line_says_whose_it_is(demo: ModuleType, tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    says = script(tmp_path, "says.py", "import os\nprint('threads', os.environ['OMP_NUM_THREADS'])\n")
    demo.run_all([demo.Job("one", [says]), demo.Job("two", [says])], 2, 3, time.monotonic())
    lines = capsys.readouterr().out.splitlines()
    assert {"one            | threads 3", "two            | threads 3"} <= set(lines)


def test_a_failure_ends_the_demo(demo: ModuleType, tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    fails = script(tmp_path, "fails.py", "import sys\nsys.exit('error: no disk')\n")
    adds = script(tmp_path, "adds.py", f"open({str(tmp_path / 'ran')!r}, 'a').write('x')\n")
    with raises(SystemExit) as ended:
        demo.run_all([demo.Job("one", [fails]), *[demo.Job("more", [adds])] * 5], 1, 1, time.monotonic())
    assert ended.value.code == 1
    assert "one            | error: no disk" in capsys.readouterr().out
    ran = tmp_path / "ran"
    assert not ran.exists() or len(ran.read_text()) <= 2  # those that had begun before the failure was seen
