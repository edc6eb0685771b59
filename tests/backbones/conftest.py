"""Images made up for the tests of the classification half."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backbones.training.loop import TrainingJob
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests find out about their images is none of the user's business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRYOVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory, write_image_folder: Callable[..., Path]) -> Path:
    """Three classes with nine training and three validation images each; not to be changed."""
    return write_image_folder(tmp_path_factory.mktemp("small_images") / "data", classes=3, train=9, val=3)


@pytest.fixture
def request_run(small_images: Path, tmp_path: Path) -> ClassificationRequest:
    """Two epochs of four batches of six images, on the CPU in float32."""
    return ClassificationRequest(
        data=small_images,
        network="resnet18_d",
        recipe="d-smooth",
        out=tmp_path / "run",
        epochs=2,
        batch_size=6,
        image_size=32,
        precision="fp32",
        device="cpu",
    )


@pytest.fixture
def job_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[ClassificationRequest], TrainingJob]:
    """What a run would train, untrained: a dry run's job, without the dry run."""

    def find(request: ClassificationRequest) -> TrainingJob:
        jobs: list[TrainingJob] = []
        with monkeypatch.context() as patch:
            patch.setattr("backbones.training.run.dry_run", lambda job, lines: jobs.append(job))
            assert run_classification(replace(request, dry_run=True)) == {}
        return jobs[0]

    return find


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Batches of six do not fill two cores, and waiting for the other one takes longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
