"""Electric energy of a machine's processors, from the RAPL counters of the Linux kernel (powercap).

A counter is of a whole processor package, whoever keeps it busy, and without memory, GPUs and fans. It starts again
from 0 after some minutes at full power, so it is looked at more often than that. Kernels since 2020 let only root read
it.
"""

from __future__ import annotations

import threading
from pathlib import Path

FOLDER = Path("/sys/class/powercap")
SECONDS_BETWEEN_LOOKS = 10.0
_MICROJOULES_PER_KWH = 3.6e12


class ProcessorMeter:
    """Adds up what the packages of this machine use, from now on, in a thread that ends with the process.

    Args:
        folder: Of the kernel's counters.
        seconds: Between two looks.
    """

    def __init__(self, folder: Path = FOLDER, seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
        self._lock = threading.Lock()
        self._used = 0
        self._readable = True
        self._last = {zone: count for zone in _packages(folder) if (count := _read(zone / "energy_uj")) is not None}
        ranges = {zone: _read(zone / "max_energy_range_uj") for zone in self._last}
        self._ranges = {zone: most for zone, most in ranges.items() if most is not None}
        if not self._last or min(len(self._last), len(self._ranges)) < len(_packages(folder)):
            self._readable = False
            return
        threading.Thread(target=self._watch, args=(seconds,), daemon=True, name="energy").start()

    @property
    def kwh(self) -> float | None:
        """So far; None where the counters cannot be read."""
        self._look()
        return self._used / _MICROJOULES_PER_KWH if self._readable else None

    def _watch(self, seconds: float) -> None:
        pause = threading.Event()
        while self._readable:
            pause.wait(seconds)
            self._look()

    def _look(self) -> None:
        with self._lock:
            for zone, before in self._last.items():
                now = _read(zone / "energy_uj")
                if now is None:
                    self._readable = False
                    return
                self._used += now - before if now >= before else now + self._ranges.get(zone, 0) - before
                self._last[zone] = now


def _packages(folder: Path) -> list[Path]:
    """Zones of whole packages: not the cores within them, nor "psys", which holds them all once more."""
    return [path.parent for path in sorted(folder.glob("intel-rapl:*/name")) if _text(path).startswith("package")]


def _read(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
