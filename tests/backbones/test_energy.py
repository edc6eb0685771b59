"""Energy from the kernel's counters, on folders that look like them."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from pytest import approx, fixture

from backbones.energy import EnergyMeter, energy_record, meter_for

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
    meter = EnergyMeter(counters, seconds=3600)
    assert meter.kwh == 0
    write(counters / "intel-rapl:0", 1_000_001_000)
    write(counters / "intel-rapl:0:0", 900_000_000)
    write(counters / "intel-rapl:1", 2_000_000_000)
    write(counters / "intel-rapl:2", 9_000_000_000)
    assert meter.kwh == approx((1_000_000_000 + 2_000_000_500) / KWH)
    write(counters / "intel-rapl:0", 1_500_001_000)
    assert meter.kwh == approx((1_500_000_000 + 2_000_000_500) / KWH)


def test_it_looks_by_itself_so_that_no_start_from_0_is_missed(counters: Path) -> None:
    meter = EnergyMeter(counters, seconds=0.01)
    for count in (RANGE // 2, RANGE - 1, RANGE // 4, RANGE // 2):  # once around and a half
        write(counters / "intel-rapl:0", count)
        deadline = time.monotonic() + 10
        while meter._last[counters / "intel-rapl:0"] != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert meter.kwh == approx((RANGE + RANGE // 2 - 1000) / KWH)


def test_what_cannot_be_read_is_none(counters: Path, tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path / "nowhere").kwh is None
    meter = EnergyMeter(counters, seconds=3600)
    (counters / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.kwh is None  # half of a machine's energy is no number
    assert EnergyMeter(counters).kwh is None


def test_a_run_records_it_where_it_is_known_for_the_whole_run(counters: Path) -> None:
    meter = EnergyMeter(counters, seconds=3600)
    write(counters / "intel-rapl:0", 3_600_001_000)
    assert energy_record(meter, sittings=1) == {"kwh": 0.001}
    assert energy_record(meter, sittings=2) == {}
    assert energy_record(None, sittings=1) == {}
    assert meter_for(torch.device("cuda:0")) is None
