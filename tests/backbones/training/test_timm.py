"""Networks of timm, trained from the request to the bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import timm
import torch
from pytest import MonkeyPatch, fixture, mark, raises

import backbones.training.loop
from backbones.bundles.bundle import read_bundle
from backbones.bundles.loading import trained_classifier
from backbones.errors import UserError
from backbones.files import sha256_file
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification

pytestmark = mark.usefixtures("one_thread")


@fixture
def light(request_run: ClassificationRequest) -> ClassificationRequest:
    return replace(request_run, network="timm:regnety_002", epochs=1)


def test_the_papers_refinements_train_it(light: ClassificationRequest) -> None:
    run_classification(replace(light, ema=0.5))
    record = json.loads((light.out / "run.json").read_text())
    assert record["settings"]["initialisation"] == "timm's own initialisation"
    assert record["versions"]["timm"] == timm.__version__
    bundle, classifier = trained_classifier(light.out / "backbone.safetensors")
    own = timm.create_model("regnety_002", num_classes=3)
    own.load_state_dict({name.removeprefix("trunk.model."): value for name, value in bundle.tensors.items()})
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(classifier.eval()(images), own.eval()(images))


def test_a_stopped_run_ends_with_the_same_bits(light: ClassificationRequest, monkeypatch: MonkeyPatch) -> None:
    whole = replace(light, drop_path=0.2, grad_checkpointing=True)
    run_classification(whole)
    step, seen = backbones.training.loop.training_step, []

    def stopping(job, batch, number):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(number)
        loss = step(job, batch, number)
        return loss

    broken = replace(whole, out=light.out.parent / "broken")
    with monkeypatch.context() as patch:
        patch.setattr(backbones.training.loop, "training_step", stopping)
        patch.setattr(backbones.training.loop, "SAVE_SECONDS", -1.0)
        with raises(KeyboardInterrupt):
            run_classification(broken)
    run_classification(replace(broken, resume=True))
    assert len(seen) == 2
    one, other = (read_bundle(run.out / "backbone.safetensors").checksums for run in (whole, broken))
    assert one == other
    # Control: without drop path it is another training.
    plain = replace(light, out=light.out.parent / "plain")
    run_classification(plain)
    assert read_bundle(plain.out / "backbone.safetensors").checksums != one
    with raises(UserError, match="drop_path"):
        run_classification(replace(plain, drop_path=0.2, resume=True))


def test_it_is_transferred_from_run_to_run(light: ClassificationRequest) -> None:
    """A bundle begins another training, with its head."""
    run_classification(light)
    again = replace(light, out=light.out.parent / "again", init_from=light.out)
    run_classification(again)
    record = json.loads((again.out / "run.json").read_text())
    assert record["init_from"]["sha256"] == sha256_file(light.out / "backbone.safetensors")


def test_what_has_no_last_gamma_is_refused_with_the_remedy(light: ClassificationRequest, tmp_path: Path) -> None:
    with raises(UserError, match="timm:convnext_atto has none; add --without zero-gamma"):
        run_classification(replace(light, network="timm:convnext_atto"))
    with raises(UserError, match="--image-size 32: timm:beit_base_patch16_224 takes images of 224 pixels alone"):
        run_classification(replace(light, network="timm:beit_base_patch16_224", recipe="smooth"))
    assert not light.out.exists()
