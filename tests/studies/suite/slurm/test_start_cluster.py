"""The script that starts a cluster for tests keeps its hands off other clusters."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pytest import mark

SCRIPT = Path(__file__).with_name("start_cluster.sh")
FOREIGN = "StateSaveLocation={}/var/spool/slurmctld\n"


def start(folder: Path, sinfo: str, running: str = FOREIGN) -> subprocess.CompletedProcess[str]:
    """With an ``sinfo`` and a ``scontrol`` of our own, and a configuration that is somebody else's."""
    for name, body in (("sinfo", sinfo), ("scontrol", f"echo '{running.format(' ').strip()}'")):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "slurm.conf").write_text(FOREIGN.format(""))
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SLURM_CONF": str(folder / "slurm.conf")}
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False)


@mark.parametrize(
    ("sinfo", "reason"), [("exit 0", "is none for tests"), ("exit 1", "slurm.conf belongs to another cluster")]
)
def test_another_cluster_is_left_alone(tmp_path: Path, sinfo: str, reason: str) -> None:
    done = start(tmp_path, sinfo)
    assert done.returncode == 3
    assert reason in done.stderr
    assert (tmp_path / "slurm.conf").read_text() == FOREIGN.format("")


def test_where_it_runs_already_nothing_is_done(tmp_path: Path) -> None:
    done = start(tmp_path, "exit 0", "StateSaveLocation {}= /var/lib/slurm-test/ctld")
    assert (done.returncode, done.stderr) == (0, "")
