"""Several processes, one training."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pytest import CaptureFixture, MonkeyPatch, TempPathFactory, approx, fixture, mark, raises
from safetensors.torch import load_file

from backbones.bundles.bundle import read_bundle
from backbones.errors import MachineError, ToldError, UserError
from backbones.machine import distributed
from backbones.machine.distributed import ALONE, World, join_world, leave_world
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = mark.usefixtures("one_thread")
ROOT = Path(__file__).resolve().parents[3]


def raise_user_error() -> None:
    raise UserError("no such luck")


def test_alone_everything_is_ones_own() -> None:
    value = torch.tensor([1.0, 2.0])
    assert ALONE.leads
    assert torch.equal(ALONE.mean(value), value)
    assert torch.equal(ALONE.sum(value), value)
    assert (ALONE.any(True), ALONE.any(False)) == (True, False)
    assert ALONE.on_rank_zero(lambda: 5) == 5
    ALONE.share([value])
    with raises(ZeroDivisionError), ALONE.one_error_for_all():
        raise ZeroDivisionError
    with raises(UserError, match="no such luck"):
        ALONE.on_rank_zero(raise_user_error)


def test_only_the_first_process_leads() -> None:
    assert [World(rank, 3, rank).leads for rank in range(3)] == [True, False, False]


@fixture
def started_by_torchrun(monkeypatch: MonkeyPatch) -> MonkeyPatch:
    """The third of four processes."""
    for name, value in (("RANK", "2"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "2"), ("MASTER_ADDR", "localhost")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setattr(dist, "init_process_group", lambda backend: raise_user_error())
    return monkeypatch


def test_without_torchrun_one_is_alone(monkeypatch: MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert join_world("cpu") is ALONE
    leave_world()  # nothing to part from


def test_one_gpu_is_not_enough_for_several_processes(started_by_torchrun: MonkeyPatch) -> None:
    with raises(UserError, match="--device cuda:1 names one GPU for 4 processes; use --device cuda"):
        join_world("cuda:1")


def test_others_that_cannot_be_met_are_told_in_one_line(
    started_by_torchrun: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    def refuse(backend: str) -> None:
        raise RuntimeError("the port is taken\nby somebody")

    started_by_torchrun.delenv("TORCHELASTIC_RUN_ID", raising=False)
    started_by_torchrun.setattr(dist, "init_process_group", refuse)
    with raises(
        MachineError, match=r"no other process can be met at localhost:29500 \(the port is taken by somebody\)"
    ):
        join_world("cpu")
    assert capsys.readouterr().err.startswith("process 2 of 4, as the environment says: waiting for the others at")


def test_who_waits_long_says_for_what_although_torchrun_is_in_the_environment(
    started_by_torchrun: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    said = threading.Event()

    def wait(backend: str) -> None:
        said.wait(20)
        raise_user_error()

    started_by_torchrun.setenv("TORCHELASTIC_RUN_ID", "left over")
    started_by_torchrun.setattr(distributed, "TOGETHER", 0.01)
    started_by_torchrun.setattr(
        distributed, "print", lambda *line, **how: (print(*line, **how), said.set()), raising=False
    )
    started_by_torchrun.setattr(dist, "init_process_group", wait)
    with raises(UserError):
        join_world("cpu")
    assert "waiting for the others at localhost:29500 (started alone? unset" in capsys.readouterr().err


def test_more_processes_than_gpus_are_refused(started_by_torchrun: MonkeyPatch) -> None:
    started_by_torchrun.setattr(torch.cuda, "device_count", lambda: 2)
    started_by_torchrun.setenv("LOCAL_WORLD_SIZE", "2")  # on each of two machines
    started_by_torchrun.setattr(torch.cuda, "set_device", lambda index: None)
    with raises(UserError, match="no such luck"):
        join_world("auto")
    started_by_torchrun.setenv("LOCAL_WORLD_SIZE", "4")
    with raises(ToldError, match=r"more processes than this machine has GPUs \(2\); lower --nproc-per-node"):
        join_world("auto")


# What each of two processes does; its answers go to a file.
WORKER = """
import json, os, sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
import torch
import torch.distributed as dist
import backbones.machine.distributed
import backbones.training.loop
from backbones.bundles.bundle import tensor_checksum
from backbones.training.run import run_classification
from backbones.cli.command import run_command
from backbones.machine.distributed import join_world, leave_world
from backbones.errors import MachineError, ToldError, UserError
from backbones.training.request import ClassificationRequest

torch.set_num_threads(1)
backbones.machine.distributed.COURTESY = timedelta(seconds=1)
answers = {}
world = join_world("cpu")
answers["place"] = [world.rank, world.size, world.local_rank, world.leads]
answers["mean"] = world.mean(torch.tensor([1.0 + world.rank, 4.0])).tolist()
answers["sum"] = world.sum(torch.tensor([1 + world.rank, 4])).tolist()
answers["any"] = [world.any(flag) for flag in (False, world.leads, not world.leads, True)]
shared = torch.full((2,), float(world.rank + 5))
world.share([shared])
answers["share"] = shared.tolist()
done = []
answers["lead"] = world.on_rank_zero(lambda: done.append(1) or {"rank": world.rank})
answers["worked"] = len(done)

def fail():
    raise UserError("no such luck")

def voice_of(ranks):  # what becomes of an error in processes of these ranks
    try:
        with world.one_error_for_all():
            if world.rank in ranks:
                raise ValueError(f"rank {world.rank}")
    except (UserError, ValueError) as error:
        return [type(error).__name__, str(error)]

answers["all fail"] = voice_of((0, 1))
answers["one fails"] = voice_of((1,))

def fail_second():
    if not world.leads:
        fail()

def failure_of(share):
    try:
        share()
    except Exception as error:
        return [type(error).__name__, str(error)]

@contextmanager
def barred():
    fail()
    yield

def enter():
    with world.leading(barred()):
        answers["entered"] = True

answers["errors"] = [
    failure_of(lambda: world.on_rank_zero(fail)),
    failure_of(lambda: world.on_rank_zero(lambda: 1 / 0)),
    failure_of(lambda: world.on_all_ranks(fail)),
    failure_of(lambda: world.on_all_ranks(fail_second)),
    failure_of(enter),
]
answers["together"] = world.on_all_ranks(lambda: world.rank)
original = backbones.training.loop.evaluate

def evaluate(model, *arguments):
    answers["evaluated"] = {name: tensor_checksum(value) for name, value in model.state_dict().items()}
    accuracy = original(model, *arguments)
    answers["accuracy"] = vars(accuracy)
    return accuracy

backbones.training.loop.evaluate = evaluate
request = json.loads(sys.argv[1])
for name in ("data", "out"):
    request[name] = Path(request[name])
result = run_classification(ClassificationRequest(**request))
answers["metrics"] = result["metrics"]
answers["joined"] = dist.is_initialized()
Path(sys.argv[2], f"{world.rank}.json").write_text(json.dumps(answers))
run_command(lambda: None)  # which is how a tool ends
"""


@dataclass(frozen=True)
class Pair:
    """Two processes that trained together, and what they told; ``request`` is what they were asked."""

    request: ClassificationRequest
    answers: list[dict[str, Any]]
    output: list[str]


def run_pair(request: ClassificationRequest, folder: Path) -> Pair:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = json.dumps({**asdict(request), "data": str(request.data), "out": str(request.out)})
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": str(ROOT)}
    common["TORCHELASTIC_RUN_ID"] = "test"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, words, str(folder)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    output = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], output
    return Pair(request, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], output)


@fixture(scope="module")
def pair(small_images: Path, tmp_path_factory: TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    request = ClassificationRequest(
        small_images,
        "mobilenet_v1_025",
        "mixup",
        folder / "run",
        epochs=2,
        batch_size=12,
        image_size=64,
        ema=0.9,
        clip=5.0,
        device="cpu",
        precision="fp32",
    )
    return run_pair(request, folder)


def told(pair: Pair, name: str) -> list[Any]:
    return [answer[name] for answer in pair.answers]


def test_processes_know_their_places(pair: Pair) -> None:
    assert told(pair, "place") == [[0, 2, 0, True], [1, 2, 1, False]]


def test_what_they_exchange(pair: Pair) -> None:
    assert told(pair, "mean") == [[1.5, 4.0]] * 2
    assert told(pair, "sum") == [[3, 8]] * 2
    assert told(pair, "any") == [[False, True, True, True]] * 2
    assert told(pair, "share") == [[5.0, 5.0]] * 2


def test_one_works_and_all_have_the_result(pair: Pair) -> None:
    assert told(pair, "lead") == [{"rank": 0}] * 2
    assert told(pair, "worked") == [1, 0]
    assert told(pair, "together") == [0, 1]


def test_one_tells_of_an_error_and_all_end_with_it(pair: Pair) -> None:
    mine, theirs = ["UserError", "no such luck"], ["ToldError", "no such luck"]
    ours, others = told(pair, "errors")
    assert ours == [mine, ["ZeroDivisionError", "division by zero"], mine, theirs, mine]
    assert others == [theirs, ["ToldError", "division by zero"], theirs, mine, theirs]
    assert all("entered" not in answer for answer in pair.answers)


def test_an_error_of_all_is_told_by_the_first_and_an_error_of_one_by_that_one(pair: Pair) -> None:
    assert told(pair, "all fail") == [["ValueError", "rank 0"], ["ToldError", "rank 1"]]
    assert told(pair, "one fails") == [None, ["ValueError", "rank 1"]]


def test_they_part_when_the_run_is_over(pair: Pair) -> None:
    assert told(pair, "joined") == [False, False]


def test_only_one_writes_and_talks(pair: Pair) -> None:
    assert "machine   2 x cpu" in pair.output[0]
    assert pair.output[0].count("epoch ") == 2
    assert "epoch" not in pair.output[1]
    lines = (pair.request.out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert json.loads((pair.request.out / "run.json").read_text())["hardware"]["processes"] == 2


def test_they_evaluate_the_same_network_which_is_the_one_that_is_saved(pair: Pair) -> None:
    """BatchNorm's running statistics are each process's own while it trains."""
    evaluated = told(pair, "evaluated")
    assert evaluated[0] == evaluated[1]
    assert read_bundle(pair.request.out / "backbone.safetensors").checksums == evaluated[0]
    assert told(pair, "accuracy")[0] == told(pair, "accuracy")[1]
    assert told(pair, "metrics")[0] == told(pair, "metrics")[1] == told(pair, "accuracy")[0]


def test_two_processes_train_what_two_parts_train(pair: Pair, tmp_path: Path) -> None:
    """Weights and losses agree but for rounding; BatchNorm's running statistics come from other images."""
    alone = replace(pair.request, out=tmp_path / "alone", accumulate=2)
    run_classification(alone)
    ours, theirs = (load_file(run.out / "backbone.safetensors") for run in (alone, pair.request))
    names = [name for name in ours if name.endswith(("weight", "bias"))]
    assert len(names) > 50
    for name in names:
        difference = (ours[name] - theirs[name]).norm()
        assert difference <= 1e-3 * max(ours[name].norm().item(), 0.1), name
    losses = [
        [json.loads(line)["loss"] for line in (run.out / "metrics.jsonl").read_text().splitlines()]
        for run in (alone, pair.request)
    ]
    assert losses[0] == approx(losses[1], rel=1e-3)
    other = replace(pair.request, out=tmp_path / "other", accumulate=1)
    run_classification(other)  # negative control: one process with the whole batch is another training
    weights = load_file(other.out / "backbone.safetensors")
    assert any((weights[name] - theirs[name]).norm() > 1e-3 * max(theirs[name].norm().item(), 0.1) for name in names)
