"""``README.md``: its commands know their options, and those from images to a table run, at tiny sizes."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from forked_tools import run_tool
from pytest import fixture, mark

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
# What the reader has, here tiny; the last word of an option wins, so additions stand behind.
TINY = {
    "tools/train_cls.py": "--network resnet18_d --epochs 1 --batch-size 8 --image-size 32 --workers 0 --device cpu",
    "tools/transfer_det.py": "--dry-run",
    "tools/transfer_seg.py": "--dry-run",
    "tools/compare.py": "",
}
IN_PLACE_OF = {
    "DIR": "shapes/classification",
    "VOCdevkit": "shapes/VOCdevkit",
    "ADEChallengeData2016": "shapes/ADEChallengeData2016",
    "random:resnet50_d": "random:resnet18_d",
    "det_configs/faster_rcnn_fpn_voc0712.py": str(ROOT / "det_configs/faster_rcnn_fpn_demo.py"),
    "seg_configs/fcn_os8_ade20k.py": str(ROOT / "seg_configs/fcn_os8_demo.py"),
}


def commands(section: str = "") -> list[list[str]]:
    """The words of each command of a section's first block, or of all blocks, from the tool's file on."""
    text = README.read_text(encoding="utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2]
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks[:1] if section else blocks).replace("\\\n", " ").splitlines()
    found = [re.search(r"^(?:python|torchrun .*?) ?(tools/.*)", line) for line in lines]
    return [shlex.split(match[1].replace("DIR2", "DIR"), comments=True) for match in found if match]


def unknown_options(words: list[str], help_text: str) -> list[str]:
    known = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_text))
    return [word for word in words if word.startswith("--") and word not in known]


@fixture
def environment() -> dict[str, str]:
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@mark.processes
def test_every_option_is_one_of_its_tool(environment: dict[str, str]) -> None:
    found = commands()
    assert {words[0] for words in found} >= {*TINY, "tools/make_shapes.py"}
    helps = {tool: run_tool([ROOT / tool, "--help"], environment).stdout for tool in {words[0] for words in found}}
    assert {" ".join(words): unknown for words in found if (unknown := unknown_options(words, helps[words[0]]))} == {}
    assert unknown_options(["tools/compare.py", "--base-line", "x"], helps["tools/compare.py"]) == ["--base-line"]


@mark.slow
@mark.processes
def test_from_images_to_a_table(tmp_path: Path, environment: dict[str, str]) -> None:
    shapes = [ROOT / "tools/make_shapes.py", "--images", "24", "--size", "64", "--out", "shapes"]
    assert run_tool(shapes, environment, tmp_path).returncode == 0
    ran = []
    for tool, *words in commands("From images to a table"):
        own = [IN_PLACE_OF.get(word, word) for word in words]
        done = run_tool([ROOT / tool, *own, *TINY[tool].split()], environment, tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (tool, done.stderr)
        ran.append(tool)
    assert ran == [
        "tools/train_cls.py",
        "tools/transfer_det.py",
        "tools/transfer_seg.py",
        "tools/transfer_seg.py",
        "tools/compare.py",
    ]
    assert (tmp_path / "runs/d-smooth/cls/backbone.safetensors").is_file()
    assert (tmp_path / "runs/report/index.html").is_file()
