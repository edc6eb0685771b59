"""``docs/python.md``: its blocks, run in order as one script, do what the text around them says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from pytest import mark

import backbones
import studies
import transfer

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/python.md"
# After all blocks, in their process: what they have left, and a classifier trained again after the transfers.
AFTERWARDS = """
import json, sys
from backbones import read_result
again = train_classifier(data=folder / "shapes/classification", network="resnet18_d", recipe="d-smooth",
                         out=folder / "again", epochs=2, batch_size=8, image_size=32, workers=0)
print(json.dumps({
    "same weights": read_bundle(folder / "again").checksums == bundle.checksums,
    "boxes": [image.found_boxes.shape[1:] for image in detections.images],
    "images": [len(detections.names), len(segmentations.names)],
    "pixels": int(confusion.sum()),
    "iou": 100 * float(iou[confusion.sum(1) > 0].mean()),
    "miou": read_result(folder / "runs/d-smooth/seg")["metrics"]["miou"],
    "rows": [row.name for row in comparison.rows],
    "mean": comparison.rows[1].cells["voc07_map"].mean,
    "measured": result["metrics"]["voc07_map"],
    "outcome": comparison.rows[1].cells["voc07_map"].verdict.outcome,
    "maps": [list(each.shape[1:]) for each in maps],
    "stages": [[stage.channels, 64 // stage.stride, 64 // stage.stride] for stage in bundle.feature_info],
}))
"""


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_name_on_offer_is_in_the_document_and_exists() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (`.*`) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(blocks())
    for package in (backbones, transfer, studies):
        assert sorted(re.findall(r"`(\w+)`", table[package.__name__])) == package.__all__
        for name in package.__all__:
            assert name in dir(package)
            assert getattr(package, name).__doc__
            assert re.search(rf"\b{name}\b", code)


@mark.slow
def test_the_blocks_run_in_order_as_one_script(tmp_path: Path) -> None:
    for protocols in ("det_configs", "seg_configs"):
        (tmp_path / protocols).symlink_to(ROOT / protocols)
    (tmp_path / "script.py").write_text("\n".join([*blocks(), AFTERWARDS]), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-W", "error::ResourceWarning", "script.py"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    *lines, facts = done.stdout.splitlines()
    found = json.loads(facts)
    assert found["same weights"]
    assert found["images"] == [6, 6]
    assert found["boxes"] == [[4]] * 6
    assert found["pixels"] <= 6 * 64 * 64
    assert abs(found["iou"] - found["miou"]) < 0.01
    assert found["maps"] == found["stages"]
    assert found["rows"] == ["b-standard", "d-smooth"]
    assert found["mean"] == found["measured"]
    assert found["outcome"] == "undecided"  # one seed
    assert not [line for line in lines if "\r" in line or "\x1b" in line]  # no bars
    assert "to_detection() has no 'backbon'; did you mean backbone? " in done.stdout
    assert (tmp_path / "python-example/runs/report/index.html").is_file()
    assert "Traceback" not in done.stdout
