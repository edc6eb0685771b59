"""A script without ``if __name__ == "__main__"`` that starts processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytest import mark

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import contextlib, sys
sys.path.insert(0, {root!r})
from backbones.machine.main_module import main_not_run_again
from backbones.machine.processes import process_pool

print("script", __name__, flush=True)
before = (__file__, __spec__)
with main_not_run_again() if {guarded} else contextlib.nullcontext():
    with process_pool(1, "main") as pool:
        print(pool.submit(abs, -5).result(), flush=True)
assert (__file__, __spec__) == before
"""


@mark.parametrize("guarded", [True, False])
def test_processes_do_not_run_the_script_again(guarded: bool, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(root=str(ROOT), guarded=guarded))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    if guarded:
        assert (done.returncode, done.stdout.split()) == (0, ["script", "__main__", "5"])
    else:
        assert done.returncode != 0
        assert "__mp_main__" in done.stdout
