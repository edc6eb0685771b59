"""tools/prepare_data.py as a person runs it."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backbones.data.shapes import make_shapes

TOOL = Path(__file__).resolve().parents[2] / "tools" / "prepare_data.py"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The tool, run in an empty folder."""
    environment = {**os.environ, "CARRYOVER_CACHE": str(tmp_path / "cache"), "no_proxy": "127.0.0.1"}

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(TOOL), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return start


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shapes(images=12, size=32, out=tmp_path_factory.mktemp("shapes") / "data")


def test_help_is_there_for_every_command(run: Run) -> None:
    assert "examples:" in run("--help").stdout
    for command in ("voc2007", "voc2012", "coco", "ade20k", "imagenet", "resize-cache", "check"):
        assert "--json" in run(command, "--help").stdout


@pytest.mark.parametrize(
    ("folder", "layout", "splits"),
    [
        ("classification", "ImageFolder", {"train": 12, "val": 6}),
        ("VOCdevkit", "VOCdevkit", {"VOC2007/trainval": 12, "VOC2007/test": 6}),
        ("ADEChallengeData2016", "ADEChallengeData2016", {"training": 12, "validation": 6}),
    ],
)
def test_check_of_sound_data(
    run: Run, shapes: Path, tmp_path: Path, folder: str, layout: str, splits: dict[str, int]
) -> None:
    done = run("check", str(shapes / folder), "--json", "found/counts.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{shapes / folder}: {layout}\nclass")
    assert done.stdout.endswith(f"sound; use it with --data {shapes / folder}\n")
    found = json.loads((tmp_path / "found" / "counts.json").read_text())
    assert (found["sound"], found["layout"], found["faults"]) == (True, layout, [])
    assert {split["name"]: split["images"] for split in found["splits"]} == splits


def test_check_of_spoilt_data(run: Run, shapes: Path, tmp_path: Path) -> None:
    devkit = tmp_path / "VOCdevkit"
    shutil.copytree(shapes / "VOCdevkit", devkit)
    missing = min((devkit / "VOC2007" / "Annotations").iterdir())
    missing.unlink()
    done = run("check", "VOCdevkit", "--json", "counts.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert missing.name in done.stderr
    assert done.stderr.count("\n") == 1
    assert "VOC2007/test: 6 images" in done.stdout
    found = json.loads((tmp_path / "counts.json").read_text())
    assert not found["sound"]
    assert missing.name in found["faults"][0]


def test_json_that_cannot_be_written(run: Run, shapes: Path) -> None:
    done = run("check", str(shapes / "classification"), "--json", str(TOOL / "counts.json"))
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_size_than_the_published_one(run: Run, mirror: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = mirror
    (folder / "VOCtrainval_11-May-2012.tar").write_bytes(b"short")
    done = run("voc2012", "--mirror", address)
    assert done.returncode == 2
    assert "it offers 5 bytes, and the published file has 1999639040" in done.stderr
    assert not (tmp_path / "data" / "VOCdevkit").exists()


def test_a_wrong_checksum(run: Run, mirror: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = mirror
    (folder / "ADEChallengeData2016.zip").write_bytes(b"other")
    done = run("ade20k", "--mirror", address, "--out", "there")
    assert done.returncode == 2
    assert hashlib.md5(b"other").hexdigest() in done.stderr
    assert "7328b3957e407ddae1d3cbf487f149ef" in done.stderr
    assert done.stderr.count("error: ") == 1
    assert list((tmp_path / "there" / "downloads").iterdir()) == []


def test_a_mirror_without_the_file(run: Run, mirror: tuple[str, Path]) -> None:
    done = run("voc2007", "--mirror", mirror[0])
    assert done.returncode == 2
    assert "VOCtrainval_06-Nov-2007.tar cannot be fetched: it answered 404" in done.stderr


def test_an_archive_of_something_else(run: Run, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a"), io.BytesIO())
    done = run("voc2012", "--archive", "mine.tar")
    assert done.returncode == 2
    assert "--archive mine.tar is damaged or another file" in done.stderr


def test_imagenet_wants_its_archives(run: Run) -> None:
    done = run("imagenet", "--archives", "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: nowhere/ILSVRC2012_devkit_t12.tar.gz does not exist")


def test_imagenet_folder_is_counted(run: Run, shapes: Path) -> None:
    done = run("imagenet", "--folder", str(shapes / "classification"))
    assert done.returncode == 2
    assert "train has 12 images, 1281167 are published" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), ("cocoo",), ("imagenet",), ("check",), ("voc2007", "--timeout", "0"), ("voc2007", "--attempts", "0")],
)
def test_bad_options_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_resize_cache_of_sound_data(run: Run, shapes: Path, tmp_path: Path) -> None:
    words = ("resize-cache", str(shapes / "classification"), "small", "--short-side", "256", "--json", "counts.json")
    for _ in range(2):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("sound; use it with --data small\n")
    found = json.loads((tmp_path / "counts.json").read_text())
    assert {split["name"]: split["images"] for split in found["splits"]} == {"train": 12, "val": 6}
    next((tmp_path / "small" / "val").rglob("*.*g")).write_bytes(b"")
    done = run(*words)
    assert done.returncode == 2
    assert "cannot be read as an image" in done.stderr
