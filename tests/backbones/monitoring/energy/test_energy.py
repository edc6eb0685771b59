"""Energy from the counters of kernel and driver, on a folder and a module that look like them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from pytest import MonkeyPatch, approx, fixture, mark

import backbones.monitoring.energy
from backbones.monitoring.energy import energy_record, meter_for
from backbones.monitoring.energy.gpus import GpuMeter
from backbones.monitoring.energy.processors import ProcessorMeter

RANGE = 10_000_000_000  # microjoules
KWH = 3.6e12


@fixture
def counters(tmp_path: Path) -> Path:
    """Two packages, the cores of one, and the whole board, which holds all of them once more."""
    for zone, name, count in (
        ("intel-rapl:0", "package-0", 1000),
        ("intel-rapl:0:0", "core", 400),
        ("intel-rapl:1", "package-1", RANGE - 500),
        ("intel-rapl:2", "psys", 7),
    ):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text(f"{RANGE}\n")
        write(tmp_path / zone, count)
    return tmp_path


def write(zone: Path, count: int) -> None:
    part = zone / "part"
    part.write_text(f"{count}\n")
    part.replace(zone / "energy_uj")  # as the kernel's, never read half written


def test_packages_add_up_also_when_a_counter_starts_again(counters: Path) -> None:
    meter = ProcessorMeter(counters, seconds=3600)
    assert meter.kwh == 0
    write(counters / "intel-rapl:0", 1_000_001_000)
    write(counters / "intel-rapl:0:0", 900_000_000)
    write(counters / "intel-rapl:1", 2_000_000_000)
    write(counters / "intel-rapl:2", 9_000_000_000)
    assert meter.kwh == approx((1_000_000_000 + 2_000_000_500) / KWH)
    write(counters / "intel-rapl:0", 1_500_001_000)
    assert meter.kwh == approx((1_500_000_000 + 2_000_000_500) / KWH)


def test_it_looks_by_itself_so_that_no_start_from_0_is_missed(counters: Path) -> None:
    meter = ProcessorMeter(counters, seconds=0.01)
    for count in (RANGE // 2, RANGE - 1, RANGE // 4, RANGE // 2):  # once around and a half
        write(counters / "intel-rapl:0", count)
        deadline = time.monotonic() + 10
        while meter._last[counters / "intel-rapl:0"] != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert meter.kwh == approx((RANGE + RANGE // 2 - 1000) / KWH)


def test_what_cannot_be_read_is_none(counters: Path, tmp_path: Path) -> None:
    assert ProcessorMeter(tmp_path / "nowhere").kwh is None
    meter = ProcessorMeter(counters, seconds=3600)
    (counters / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.kwh is None  # half of a machine's energy is no number
    assert ProcessorMeter(counters).kwh is None


class FakeDriver:
    """NVML with four cards, of which this process sees the last two, the other way round."""

    def __init__(self) -> None:
        self.millijoules = {f"GPU-{letter}": 1000 for letter in "abcd"}
        self.broken: set[str] = set()

    def fail_if(self, *calls: str) -> None:
        if self.broken & set(calls):
            raise RuntimeError("Not Supported")  # NVML's errors are exceptions of its own

    def nvmlInit(self) -> None:
        self.fail_if("init")

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.fail_if("handle", uuid)
        assert uuid in self.millijoules
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        self.fail_if("read")
        return self.millijoules[handle]


@fixture
def driver(monkeypatch: MonkeyPatch) -> FakeDriver:
    fake = FakeDriver()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: SimpleNamespace(uuid="dc"[place]))
    return fake


def test_the_gpus_of_this_process_add_up_and_no_others(driver: FakeDriver) -> None:
    one, both = GpuMeter([0]), GpuMeter([0, 1])
    assert one.kwh == 0
    for uuid, used in (("GPU-a", 7e9), ("GPU-c", 3.6e9), ("GPU-d", 1.8e9)):
        driver.millijoules[uuid] += int(used)
    assert one.kwh == approx(0.5)
    assert both.kwh == approx(1.5)


@mark.parametrize("what", ["init", "handle", "GPU-c", "read", "gone", "later", "driver loaded anew", "no such place"])
def test_a_gpu_that_cannot_be_read_fails_nothing(driver: FakeDriver, monkeypatch: MonkeyPatch, what: str) -> None:
    if what == "gone":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    driver.broken = {what}
    meter = GpuMeter([0, 1] if what != "no such place" else [5])
    if what in ("later", "driver loaded anew"):
        assert meter.kwh == 0
        driver.broken = {"read"} if what == "later" else set()
        driver.millijoules["GPU-d"] = 3
    assert meter.kwh is None


def test_a_run_records_the_parts_that_can_be_read(
    counters: Path, driver: FakeDriver, monkeypatch: MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(backbones.monitoring.energy, "ProcessorMeter", lambda: ProcessorMeter(counters, seconds=3600))
    on_cpu, on_gpu = meter_for(torch.device("cpu")), meter_for(torch.device("cuda:1"))
    write(counters / "intel-rapl:0", 3_600_001_000)
    driver.millijoules["GPU-c"] += 7_200_000
    assert energy_record(on_cpu, sessions=1) == {"kwh": 0.001, "kwh_of": {"cpu": 0.001}}
    assert energy_record(on_gpu, sessions=1) == {"kwh": 0.003, "kwh_of": {"cpu": 0.001, "gpu": 0.002}}
    driver.broken = {"read"}
    assert energy_record(on_gpu, sessions=1) == {"kwh": 0.001, "kwh_of": {"cpu": 0.001, "gpu": None}}
    (counters / "intel-rapl:1" / "energy_uj").unlink()
    assert energy_record(on_gpu, sessions=1) == {"kwh_of": {"cpu": None, "gpu": None}}
    assert energy_record(on_gpu, sessions=2) == {}  # what the first start used is not known
    assert energy_record(None, sessions=1) == {}


@mark.parametrize(("size", "here", "expected"), [(2, 2, 0.003), (2, 1, None)])
def test_of_several_processes_all_gpus_count_while_they_are_on_one_machine(
    driver: FakeDriver, monkeypatch: MonkeyPatch, size: int, here: int, expected: float | None
) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: size)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    meter = meter_for(torch.device("cuda", 0))
    driver.millijoules["GPU-c"] += 7_200_000
    driver.millijoules["GPU-d"] += 3_600_000
    assert meter.kwh["gpu"] == (expected if expected is None else approx(expected))
    if expected is None:
        assert energy_record(meter, sessions=1) == {"kwh_of": {"cpu": None, "gpu": None}}
