"""A Slurm cluster of this machine, where Slurm is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cluster() -> None:
    """Starts one, or skips with the reason."""
    pytest.importorskip("submitit", reason="submitit is not installed: pip install submitit")
    if shutil.which("sbatch") is None:
        pytest.skip("Slurm is not installed: apt-get install slurm-wlm munge")
    started = subprocess.run(
        [Path(__file__).with_name("start_cluster.sh")], capture_output=True, text=True, timeout=60, check=False
    )
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
