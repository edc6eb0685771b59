"""What the steps do, on a CPU and with next to nothing, so that a GPU's time is not spent on finding their mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_gpu_steps
import torch
from pytest import MonkeyPatch, approx, fixture, mark, raises

from benchmarks.gpu.peaks import PEAKS, stated_bandwidth, stated_flops
from benchmarks.gpu.registry import PARTS, STEPS
from benchmarks.gpu.step import Found, Place
from benchmarks.gpu.steps import data_wait, marked_tests, rates, study, whole_loops
from benchmarks.gpu.steps.marked_tests import MarkedTests
from studies.suite.reading import read_suite

pytestmark = mark.processes
ROOT = Path(__file__).resolve().parents[3]
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_b" name="one" time="1.5"/>
<testcase classname="tests.a.test_b" name="two" time="0.5"><skipped/></testcase>{}
</testsuite></testsuites>"""


@fixture
def place(tmp_path: Path) -> Place:
    return Place("cpu", tmp_path, seconds=30.0, tiny=True)


def test_every_step_has_its_work_and_its_part() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)
    for step in STEPS:
        module, _, function = step.work.partition(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))
        assert step.part in PARTS
        assert step.estimate < 600 or step.name == "study"  # which goes on in other rounds


def test_the_tests_that_are_named_are_there() -> None:
    named = [name for each in vars(marked_tests).values() if isinstance(each, MarkedTests) for name in each.files]
    assert len(named) == 8
    for name in named:
        assert "mark.gpu" in (ROOT / name).read_text()


def test_results_of_tests_are_counted(tmp_path: Path) -> None:
    report = tmp_path / "tests.xml"
    with raises(RuntimeError, match="pytest has left no results"):
        marked_tests.read_report(report)
    report.write_text(REPORT.format(""))
    assert marked_tests.read_report(report).figures == {"a.test_b": {"passed": 1, "skipped": 1, "seconds": 2.0}}
    report.write_text(REPORT.format('<testcase classname="tests.c" name="three"><failure/></testcase>'))
    with raises(RuntimeError, match="1 tests failed: three"):
        marked_tests.read_report(report)


def test_tests_that_are_all_skipped_are_no_answer(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "test_nothing.py"
    file.write_text("from pytest import mark, skip\n@mark.gpu\ndef test_it(): skip('no card')\n")
    with raises(RuntimeError, match="no test ran"):
        MarkedTests((str(file),))(place)


def test_rates_and_their_share_of_the_peak(place: Place, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "stated_flops", lambda gpu, precision: 1e12)
    lines = rates.ours(place).figures
    assert {"ours, D, fp32"} <= lines.keys()
    for line in lines.values():
        assert line["images/s"] > 0
        assert line[rates.SHARE] == approx(line["TFLOP/s"])


def test_peers_and_what_is_compiled(place: Place, monkeypatch: MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda model, mode: asked.append(mode) or model)
    assert list(rates.compiled(place).figures) == ["as it is", "compiled", "compiled, CUDA graphs"]
    assert asked == ["default", "reduce-overhead"]
    assert len(rates.peers(place).figures) in (2, 4)  # without 16 bits, both ways are one
    assert rates.peak(place).figures["copy"]["GB/s"] > 0


def test_the_time_that_images_are_waited_for(place: Place) -> None:
    ((name, line),) = data_wait.files(place).figures.items()
    assert name == "0 processes"
    assert 0 < line["data wait"] < 1
    assert list(data_wait.cache(place).figures) == ["files, 0 processes", "resize cache, 0 processes"]


def test_a_loops_rate_is_from_its_second_turn_on(tmp_path: Path) -> None:
    steps = 2
    found = whole_loops.rate(
        tiny_gpu_steps.tell_of_steps, (steps * (whole_loops.TURNS + 1),), steps, 4, tmp_path / "log"
    )
    assert found > 0


def test_a_study_that_is_not_done_in_time_goes_on(place: Place, monkeypatch: MonkeyPatch) -> None:
    class Suite:
        def __init__(self, command: list[Any], **_: Any) -> None:
            self.signals: list[int] = []

        def wait(self, seconds: float | None = None) -> int:
            if seconds is not None:
                raise study.subprocess.TimeoutExpired("suite", seconds)
            return 130

        def send_signal(self, number: int) -> None:
            self.signals.append(number)

    monkeypatch.setattr(study.subprocess, "Popen", Suite)
    found = study.run_suite(place, Path("suite.yaml"))
    assert found == Found(whole=False, notes=found.notes)
    assert found.notes[0].startswith("0 runs are done after")


def test_the_suite_of_an_hour_has_the_seven_rows() -> None:
    suite = read_suite(ROOT / study.SUITE)
    assert [row.recipe for row in suite.rows] == [
        *("b-standard", "d-efficient", "d-cosine", "d-smooth", "d-distill", "d-mixup", "d-distill-mixup")
    ]
    assert len(suite.seeds) == 3
    assert {"classification", "detection", "segmentation"} == set(suite.tasks)
    assert suite.tasks["classification"].options["image-size"] == 64


def test_peaks_are_those_of_dense_products() -> None:
    assert stated_flops("NVIDIA H100 80GB HBM3", "bf16") == 989e12
    assert stated_flops("NVIDIA H100 80GB HBM3", "fp32") == 67e12
    assert stated_bandwidth("NVIDIA H200") == 4.8e12
    assert stated_flops("Voodoo", "bf16") is None
    for peak in PEAKS.values():
        assert peak.half > peak.single
        assert peak.source
