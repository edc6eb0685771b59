"""A disk that fills up while a checkpoint or a bundle is written: one line that names the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytest import mark

ROOT = Path(__file__).resolve().parents[3]
# No file may grow beyond 40 kB; the system's answer to that is an OSError, once its signal is ignored.
PROGRAM = """
import resource, signal, sys
import torch
from backbones.bundles.contract import imagenet_contract; from backbones.bundles.bundle import write_bundle
from backbones.training.checkpoint import Progression, save_checkpoint
from backbones.cli.command import run_command
from backbones.models import create_classifier
from backbones.runs.run_folder import RunFolder
from pathlib import Path

what, path = sys.argv[1], Path(sys.argv[2])
model = create_classifier("mobilenet_v1_025", 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    if what == "bundle":
        write_bundle(path, model, "mobilenet_v1_025", imagenet_contract(32), {})
    elif what == "checkpoint":
        save_checkpoint(path, model, None, optimizer, torch.amp.GradScaler("cpu"), Progression())
    else:
        folder = RunFolder(path.parent, {})
        folder.metrics = path
        while True:
            folder.log({"kind": "step", "step": 1, "text": "x" * 1000})

run_command(main)
"""


@mark.parametrize("what", ["bundle", "checkpoint", "metrics"])
def test_a_full_disk_is_one_line_that_names_the_file(what: str, tmp_path: Path) -> None:
    path = tmp_path / f"file of {what}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == f"error: cannot write {path}: File too large; check disk and permissions\n"
    assert done.returncode == 2
    assert what == "metrics" or not list(tmp_path.iterdir())
