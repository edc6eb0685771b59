"""The doctor in environments that are broken on purpose: what it says, and the command that it gives."""

from __future__ import annotations

import os
import resource
import shlex
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as real_version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytest import MonkeyPatch, mark

from backbones.data import prefetch
from backbones.errors import UserError
from transfer.doctor import devices, installation, libraries, machine, versions
from transfer.doctor.data import check_data
from transfer.doctor.examination import count, examine, lines
from transfer.doctor.finding import Finding, guarded, ok
from transfer.doctor.libraries import check_libraries
from transfer.doctor.versions import check_python, check_versions
from transfer.openmmlab import ops_bridge

GIB = 1 << 30
NUMPY, OPENCV = ("2.2.6", "4.12.0.88") if sys.version_info < (3, 14) else ("2.3.5", "4.13.0.92")
HEADLESS = f"opencv-python-headless=={OPENCV}"
Install = Callable[[dict[str, str | None]], None]


@pytest.fixture(autouse=True)
def short_pip(monkeypatch: MonkeyPatch) -> None:
    for module in (installation, libraries, versions):
        monkeypatch.setattr(module, "pip", lambda: "pip")


@pytest.fixture
def install(monkeypatch: MonkeyPatch) -> Install:
    """Pretends that packages are installed in other versions, or not at all."""

    def install(packages: dict[str, str | None]) -> None:
        def version(package: str) -> str:
            found = packages.get(package, ...)
            if found is None:
                raise PackageNotFoundError(package)
            return real_version(package) if found is ... else found

        monkeypatch.setattr(installation, "version", version)

    return install


def only(findings: list[Finding]) -> Finding:
    """The one finding that is not ok."""
    bad = [finding for finding in findings if finding.status != "ok"]
    assert len(bad) == 1, bad
    return bad[0]


def test_versions_here_fit_together() -> None:
    findings = [*check_python(), *check_versions()]
    assert [finding for finding in findings if finding.status == "problem"] == []
    assert {"torch", "mmdet", "mmcv", "opencv", "other packages"} <= {finding.subject for finding in findings}


@mark.parametrize(
    ("packages", "subject", "status", "message", "remedy"),
    [
        ({"mmdet": None}, "mmdet", "problem", "not installed", "pip install --no-deps mmdet==3.3.0"),
        (
            {"torch": "2.10.0"},
            "torch",
            "problem",
            "torchvision 0.26.0 needs torch==2.11.0",
            "pip install --no-deps torch==2.11.0 torchvision==0.26.0",
        ),
        (
            {"torch": "2.11.0+cpu", "torchvision": "0.26.0+cu130"},
            "torch builds",
            "problem",
            "torch for cpu and torchvision for cu130",
            "pip install --no-deps --force-reinstall torch==2.11.0 torchvision==0.26.0",
        ),
        (
            {"numpy": "1.26.4"},
            "numpy",
            "problem",
            f"opencv-python-headless {OPENCV} needs numpy",
            f"pip install --no-deps numpy=={NUMPY}",
        ),
        ({"numpy": "2.2.5"}, "numpy", "warning", f"is not the {NUMPY}", f"pip install --no-deps numpy=={NUMPY}"),
        (
            {"setuptools": "81.0.0"},
            "setuptools",
            "problem",
            "mmengine imports pkg_resources",
            "pip install --no-deps setuptools==80.10.2",
        ),
        (
            {"mmengine": "1.0.0"},
            "mmengine",
            "problem",
            "mmdet 3.3 refuses",
            "pip install --no-deps mmengine==0.10.7",
        ),
        (
            {"mmcv-lite": "2.2.0"},
            "mmcv",
            "problem",
            "it must be >=2.0.0rc4,<2.2.0",
            "pip uninstall -y mmcv-lite && pip install --no-deps mmcv-lite==2.1.0",
        ),
        (
            {"mmcv": "2.1.0"},
            "mmcv",
            "problem",
            "both installed",
            "pip uninstall -y mmcv-lite mmcv && pip install --no-deps mmcv-lite==2.1.0",
        ),
        ({"mmcv-lite": None}, "mmcv", "problem", "not installed", "pip install --no-deps mmcv-lite==2.1.0"),
        (
            {"opencv-python": "4.12.0.88"},
            "opencv",
            "warning",
            "the same module twice",
            f"pip uninstall -y opencv-python opencv-python-headless && pip install --no-deps {HEADLESS}",
        ),
        (
            {"opencv-python-headless": None},
            "opencv",
            "problem",
            "not installed",
            f"pip install --no-deps {HEADLESS}",
        ),
        ({"addict": None}, "other packages", "warning", "not installed: addict", "pip install --no-deps -r "),
        ({"tqdm": "4.0"}, "other packages", "warning", "tqdm 4.0 (pinned: ", "pip install --no-deps -r "),
    ],
)
def test_what_does_not_fit_is_named_with_its_remedy(
    install: Install, packages: dict[str, str | None], subject: str, status: str, message: str, remedy: str
) -> None:
    install(packages)
    finding = only(list(check_versions()))
    assert (finding.subject, finding.status) == (subject, status)
    assert message in finding.message
    assert finding.remedy is not None
    assert finding.remedy.startswith(remedy) if remedy.endswith(" ") else finding.remedy == remedy


@mark.parametrize(
    "packages",
    [
        {"torch": "2.11.0+cpu", "torchvision": "0.26.0+cpu"},
        {"mmcv-lite": None, "mmcv": "2.1.0"},
        {"nvidia-nccl-cu13": None, "triton": None},
    ],
)
def test_what_may_differ_is_no_finding(install: Install, packages: dict[str, str | None]) -> None:
    install(packages)
    assert {finding.status for finding in check_versions()} == {"ok"}


@mark.parametrize(
    ("running", "status"),
    [((3, 9, 18), "problem"), ((3, 10, 0), "ok"), ((3, 14, 8), "ok"), ((3, 15, 0), "problem")],
)
def test_the_interpreter_is_one_that_the_toolkits_know(
    running: tuple[int, int, int], status: str, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "sys", SimpleNamespace(version_info=running))
    (finding,) = check_python()
    assert finding.status == status
    assert finding.remedy is None or "PYTHON=/path/to/python3.12" in finding.remedy


@mark.parametrize(("minor", "numpy"), [(9, "1.0"), (10, "1.0"), (13, "1.0"), (14, "2.0"), (15, "2.0")])
def test_a_remedy_names_the_pins_of_this_python(
    minor: int, numpy: str, monkeypatch: MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(
        "numpy==1.0 ; python_full_version < '3.14'\nnumpy==2.0 ; python_full_version >= '3.14'\n"
        "triton==3.0 ; sys_platform == 'linux'\n"
    )
    monkeypatch.setattr(installation, "REQUIREMENTS", path)
    monkeypatch.setattr(installation, "sys", SimpleNamespace(version_info=(3, minor, 1)))
    assert installation.reinstall(["numpy", "triton"]) == f"pip install --no-deps numpy=={numpy} triton==3.0"


def test_the_pins_that_a_remedy_names_are_those_that_pip_installs() -> None:
    pinned = installation.pins()
    assert len(pinned) > 60
    assert {name: installation._pins_as_text()[name] for name in pinned} == pinned


def test_an_interpreter_that_cannot_unpack_safely(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.delattr("tarfile.data_filter")
    (finding,) = check_python()
    assert finding.status == "warning"
    assert "cannot unpack tar archives safely" in finding.message
    assert "PYTHON=/path/to/python3.12" in str(finding.remedy)


def test_without_packaging_versions_are_one_problem_and_the_rest_goes_on(monkeypatch: MonkeyPatch) -> None:
    for name in ("packaging", "packaging.requirements"):
        monkeypatch.setitem(sys.modules, name, None)
    finding = only(list(guarded("versions", check_versions, installation.install_all())))
    assert finding.message.startswith("cannot be examined: ModuleNotFoundError")
    assert str(finding.remedy).startswith("pip install --no-deps -r ")


@mark.parametrize(
    ("modules", "subject", "remedy"),
    [
        (("mmdet", "mmdet.models"), "import mmdet.models", "pip install --no-deps mmdet==3.3.0"),
        (("mmseg", "mmseg.models"), "import mmseg.models", "pip install --no-deps mmsegmentation==1.2.2"),
        (("pycocotools", "pycocotools.mask"), "import pycocotools.mask", "pip install --no-deps pycocotools==2.0.11"),
        (("cv2",), "import cv2", f"pip install --no-deps {HEADLESS}"),
    ],
)
def test_missing_modules(modules: tuple[str, ...], subject: str, remedy: str, monkeypatch: MonkeyPatch) -> None:
    ops_bridge.install()
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    finding = only(list(check_libraries()))
    assert (finding.subject, finding.status, finding.message) == (subject, "problem", "cannot be found")
    assert finding.remedy == remedy


@mark.parametrize(
    ("module", "error", "message", "remedy"),
    [
        (
            "torchvision",
            RuntimeError("operator torchvision::nms does not exist"),
            "does not load: RuntimeError: operator torchvision::nms does not exist",
            "pip install --no-deps --force-reinstall torch==2.11.0 torchvision==0.26.0",
        ),
        (
            "torch",
            OSError("libcudart.so.13: cannot open shared object file"),
            "does not load: OSError: libcudart.so.13",
            "pip install --no-deps -r ",
        ),
        (
            "cv2",
            ImportError("libGL.so.1: cannot open shared object file"),
            "does not load: ImportError: libGL.so.1",
            f"pip uninstall -y opencv-python && pip install --no-deps --force-reinstall {HEADLESS}",
        ),
        (
            "mmdet.models",
            AssertionError("MMCV==2.2.0 is used but incompatible."),
            "does not load: AssertionError: MMCV==2.2.0",
            "pip install --no-deps --force-reinstall mmdet==3.3.0",
        ),
        (
            "mmseg.models",
            ModuleNotFoundError("No module named 'ftfy'", name="ftfy"),
            "it needs ftfy, which cannot be found",
            "pip install --no-deps -r ",
        ),
    ],
)
def test_libraries_that_do_not_load(
    module: str, error: Exception, message: str, remedy: str, monkeypatch: MonkeyPatch
) -> None:
    def import_module(name: str) -> None:
        if name == module:
            raise error

    monkeypatch.setattr(libraries, "importlib", SimpleNamespace(import_module=import_module))
    finding = only(list(check_libraries()))
    assert (finding.subject, finding.status) == (f"import {module}", "problem")
    assert finding.message.startswith(message)
    assert str(finding.remedy).startswith(remedy)


def test_ops_that_do_not_load(monkeypatch: MonkeyPatch) -> None:
    def install() -> str:
        raise UserError("mmcv's compiled ops do not load with torch 2.11.0 (undefined symbol)")

    monkeypatch.setattr(ops_bridge, "install", install)
    finding = only(list(check_libraries()))
    assert "do not load with torch 2.11.0" in finding.message
    assert finding.remedy == "pip uninstall -y mmcv && pip install --no-deps mmcv-lite==2.1.0"


def test_ops_that_answer_wrongly(monkeypatch: MonkeyPatch) -> None:
    ops_bridge.install()
    monkeypatch.setattr("mmcv.ops.nms", lambda boxes, scores, threshold: (boxes, torch.tensor([0, 1, 2])))
    finding = only(list(check_libraries()))
    assert finding.message == "non-maximum suppression by torchvision keeps boxes [0, 1, 2] and not [1, 2]"


def cuda(monkeypatch: MonkeyPatch, build: str | None, driver: str | None, available: bool = False) -> None:
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(devices, "driver_version", lambda: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_machine_without_gpu_is_fine(monkeypatch: MonkeyPatch) -> None:
    for build in (None, "13.0"):
        cuda(monkeypatch, build, None)
        findings = list(devices.check_devices())
        assert [finding.status for finding in findings] == ["ok", "ok"]
        assert "--precision auto is " in findings[0].message


@mark.parametrize(
    ("build", "driver", "status", "message", "remedy"),
    [
        (None, "580.65", "warning", "torch is built for CPUs", "--force-reinstall torch==2.11.0"),
        ("13.0", "535.183.01", "problem", "535.183.01 is too old for torch's CUDA 13.0", "nvidia-driver-580"),
        ("13.0", "580.65", "problem", "but the GPU cannot be used: RuntimeError: no NVIDIA", "--gpus all"),
        ("13.0", "unknown", "problem", "but the GPU cannot be used: RuntimeError: no NVIDIA", "--gpus all"),
    ],
)
def test_a_gpu_that_cannot_be_used(
    build: str | None, driver: str, status: str, message: str, remedy: str, monkeypatch: MonkeyPatch
) -> None:
    def init() -> None:
        raise RuntimeError("no NVIDIA device")

    cuda(monkeypatch, build, driver)
    monkeypatch.setattr(torch.cuda, "init", init)
    finding = only(list(devices.check_devices()))
    assert (finding.subject, finding.status) == ("cuda", status)
    assert message in finding.message
    assert remedy in str(finding.remedy)


def test_hidden_gpus(monkeypatch: MonkeyPatch) -> None:
    cuda(monkeypatch, "13.0", "580.65")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    finding = only(list(devices.check_devices()))
    assert (finding.status, finding.remedy) == ("warning", "unset CUDA_VISIBLE_DEVICES")


@mark.parametrize(
    ("capability", "free", "kept", "status", "message"),
    [
        ((9, 0), 100 * GIB, [1, 2], "ok", "100.0 of 139.0 GiB free; --precision auto is bf16"),
        ((7, 5), 100 * GIB, [1, 2], "ok", "--precision auto is fp16 in classification and fp32 in transfers"),
        ((9, 0), GIB, [1, 2], "warning", "1.0 of 139.0 GiB free"),
        ((7, 0), 100 * GIB, [1, 2], "problem", "has no kernels for it, only for sm_75, sm_90"),
        ((9, 0), 100 * GIB, [0, 1, 2], "problem", "torchvision on the GPU keeps boxes [0, 1, 2] and not [1, 2]"),
    ],
)
def test_gpus(
    capability: tuple[int, int], free: int, kept: list[int], status: str, message: str, monkeypatch: MonkeyPatch
) -> None:
    cuda(monkeypatch, "13.0", "580.65", available=True)
    answers: dict[str, Any] = {
        "device_count": 1,
        "get_device_capability": capability,
        "get_device_name": "NVIDIA H200",
        "get_arch_list": ["sm_75", "sm_90"],
        "mem_get_info": (free, 139 * GIB),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(devices, "kept_boxes", lambda *_: kept)
    found = [finding for finding in devices.check_devices() if finding.subject == "cuda:0"]
    assert found[0].status == status
    assert message in found[0].message
    assert (found[0].remedy is None) == (status == "ok")
    if "no kernels" in message:  # no tool of transfers has --device
        assert str(found[0].remedy).startswith("put CUDA_VISIBLE_DEVICES= before the command")


@mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((8, 6), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((12, 0), ["sm_90"], False),
        ((7, 0), ["compute_75"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_100"], True),
    ],
)
def test_which_builds_run_on_which_gpu(capability: tuple[int, int], architectures: list[str], runs: bool) -> None:
    assert devices.has_kernels(capability, architectures) is runs


def test_the_driver_is_asked_for_its_version(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "DRIVER_FILES", (tmp_path / "driver",))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.driver_version() is None
    (tmp_path / "driver").touch()
    assert devices.driver_version() == "unknown"
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 580.65.06\necho 580.65.06\n")
    program.chmod(0o755)
    assert devices.driver_version() == "580.65.06"
    program.write_text("#!/bin/sh\nexit 9\n")
    assert devices.driver_version() == "unknown"


def room(free: int, whole: int) -> Callable[[object], SimpleNamespace]:
    return lambda _: SimpleNamespace(f_bavail=free >> 12, f_blocks=whole >> 12, f_frsize=1 << 12, f_flag=0)


@mark.parametrize(
    ("free", "whole", "container", "status", "remedy"),
    [
        (64 << 20, 64 << 20, True, "problem", "docker run --shm-size=2g"),
        (64 << 20, 64 << 20, False, "problem", "sudo mount -o remount,size=2g "),
        (GIB // 2, GIB, True, "warning", "docker run --shm-size=2g"),
        (GIB // 2, 64 * GIB, True, "warning", "remove what dead programs left there: ls -lt "),
        (2 * GIB, 2 * GIB, True, "ok", "None"),
    ],
)
def test_small_shared_memory(
    free: int, whole: int, container: bool, status: str, remedy: str, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    (tmp_path / ".dockerenv").touch()
    monkeypatch.setattr(machine, "CONTAINER_MARKS", (tmp_path / ".dockerenv",) if container else ())
    monkeypatch.setattr(prefetch, "SHARED_MEMORY", str(tmp_path))
    monkeypatch.setattr(os, "statvfs", room(free, whole))
    (finding,) = machine.check_shared_memory()
    assert finding.status == status
    assert f"has {free >> 20} of {whole >> 20} MiB free" in finding.message
    assert str(finding.remedy).startswith(remedy)


def test_no_shared_memory(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "SHARED_MEMORY", str(tmp_path / "absent"))
    (finding,) = machine.check_shared_memory()
    assert finding.status == "problem"
    assert finding.message.startswith(f"there is no {tmp_path / 'absent'}")


@mark.parametrize(
    ("limits", "status", "remedy"),
    [
        ((1024, 1024), "ok", None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), "ok", None),
        ((256, 2048), "warning", "ulimit -n 2048"),
        ((256, resource.RLIM_INFINITY), "warning", "ulimit -n 4096"),
        ((256, 512), "warning", "raise the hard limit in /etc/security/limits.conf (docker run --ulimit nofile=4096)"),
    ],
)
def test_open_files(limits: tuple[int, int], status: str, remedy: str | None, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    (finding,) = machine.check_open_files()
    assert (finding.status, finding.remedy) == (status, remedy)


@mark.parametrize(
    ("available", "limit", "used", "status", "shown"),
    [
        (8 * GIB, "max", 0, "ok", "8.0 GiB"),
        (3 * GIB, "max", 0, "warning", "3.0 GiB"),
        (GIB, "max", 0, "problem", "1.0 GiB"),
        (64 * GIB, str(8 * GIB), 8 * GIB, "problem", "1.0 GiB"),  # of the 8 in use, 1 is cache
        (64 * GIB, str(8 * GIB), 2 * GIB, "ok", "7.0 GiB"),
    ],
)
def test_memory(
    available: int, limit: str, used: int, status: str, shown: str, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:  {available >> 10} kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text(f"anon 0\ninactive_file {GIB}\n")
    monkeypatch.setattr(machine, "MEMORY_INFORMATION", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (tmp_path / "memory.max",))
    (finding,) = machine.check_memory()
    assert (finding.status, finding.message) == (status, f"{shown} available")


@mark.parametrize(("free", "status"), [(20 * GIB, "ok"), (5 * GIB, "warning"), (GIB // 2, "problem")])
def test_disk(free: int, status: str, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    (finding,) = machine.check_output(tmp_path / "not" / "yet")
    assert finding.status == status
    assert f"{free / GIB:.1f} GiB free" in finding.message


def test_folders_that_cannot_be_written(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (finding,) = machine.check_output(tmp_path / "file" / "run")
    assert (finding.status, finding.remedy) == ("problem", "name another --out")
    assert "is a file where a folder should be" in finding.message
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    (finding,) = machine.check_cache()
    assert finding.message == f"{tmp_path / 'cache'}: no permission to write in {tmp_path}"
    assert finding.remedy == "export CARRYOVER_CACHE=/another/folder"


DATA = {
    "ImageFolder; 2 classes in train, 1 in val": ["train/a/1.png", "train/b/1.png", "val/a/1.png"],
    "VOCdevkit; VOC2007": [f"VOC2007/{part}/1" for part in ("JPEGImages", "Annotations", "ImageSets/Main")],
    "ADEChallengeData2016; all parts there": [
        f"{kind}/{split}/1" for kind in ("images", "annotations") for split in ("training", "validation")
    ],
    "index PNG; all parts there": ["images/1", "annotations/1", "train.txt", "val.txt", "classes.txt"],
}


@mark.parametrize("words", DATA)
def test_data_at_a_glance(words: str, tmp_path: Path) -> None:
    for name in DATA[words]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (finding,) = check_data(tmp_path)
    command = f"python tools/prepare_data.py check {tmp_path}"
    assert (finding.status, finding.message) == ("ok", f"{words}; every file is read by: {command}")
    (tmp_path / DATA[words][-1]).unlink()
    (finding,) = check_data(tmp_path)
    if "ImageFolder" not in words:  # a class without images shows in the full check only
        assert finding.status == "problem"
        assert "missing or empty: " in finding.message
        assert finding.remedy == command


def test_folders_that_are_no_data(tmp_path: Path) -> None:
    (finding,) = check_data(tmp_path / "absent")
    assert finding.status == "problem"
    assert finding.remedy == "make a data set: python tools/prepare_data.py --help"
    for name in ("plain", "my; check data"):  # a name is no message to be read
        root = tmp_path / name
        (root / "VOCdevkit" / "VOC2007" / "JPEGImages").mkdir(parents=True)
        for folder in (root, root / "VOCdevkit" / "VOC2007"):
            (finding,) = check_data(folder)
            remedy = f"give --data {shlex.quote(str(root / 'VOCdevkit'))}"
            assert (finding.status, finding.remedy) == ("problem", remedy)
            assert finding.message.startswith(f"{folder} ")


def test_a_check_that_breaks_does_not_stop_the_others(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("of all things")

    monkeypatch.setattr(prefetch, "describe_room", broken)
    monkeypatch.setattr(versions, "pins", broken)
    findings = list(examine([tmp_path / "absent"], tmp_path))
    bad = {finding.subject: finding for finding in findings if finding.status == "problem"}
    assert bad.keys() >= {"versions", "shared memory", f"--data {tmp_path / 'absent'}"}
    assert bad["shared memory"].message == "cannot be examined: ValueError: of all things"
    assert all(finding.remedy for finding in bad.values())
    assert count(findings)["problem"] == len(bad)
    assert lines(bad["versions"])[1].startswith("         -> pip install ")


def test_what_is_ok_has_no_remedy() -> None:
    assert lines(ok("memory", "8 GiB")) == ["ok       memory: 8 GiB"]


def test_layouts_without_parts_of_their_own(tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / f"{part}.csv").write_text("path,label\n1.jpg,a\n")
    (finding,) = check_data(tmp_path)
    assert finding.status == "ok"
    assert finding.message.startswith("images with tables of labels; its parts are where the check finds them; every")
