"""A short part of the mutation campaign; and what it must find, where a guard is missing."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch, mark

from backbones.bundles import bundle
from backbones.bundles.bundle import read_bundle, tensor_checksum
from backbones.errors import UserError
from campaigns.engine.records import Records, read_trials
from campaigns.engine.sandbox import state
from campaigns.engine.trial import MESSAGE, OTHER, REFUSED, SAME, SILENT, TOUCHED, TRACEBACK
from campaigns.formats import light_formats
from campaigns.formats.bundles import BUNDLE
from campaigns.formats.format import Format
from campaigns.mutation import Subject, try_formats
from campaigns.mutators.damage import DAMAGE, flip_bits
from campaigns.mutators.entries import change_entry
from campaigns.mutators.fields import VALUES, change_field, places

pytestmark = mark.processes

SEEDS = range(3)


def test_every_ending_of_a_short_campaign_is_one_to_live_with(tmp_path: Path) -> None:
    held = light_formats()
    trials = list(try_formats(held, SEEDS, tmp_path, Records(tmp_path / "trials.jsonl", "now")))
    assert [(trial.subject, trial.seed, trial.what, trial.kind) for trial in trials if not trial.passed] == []
    assert len(trials) == len(held) * len(SEEDS)
    assert {trial.outcome for trial in trials} == {SAME, OTHER, REFUSED}
    # What was tried is not tried again, and what the file says is what was found.
    assert list(read_trials(tmp_path / "trials.jsonl")) == trials
    again = try_formats(held, SEEDS, tmp_path / "again", Records(tmp_path / "trials.jsonl", "now"))
    assert list(again) == []


def test_a_seed_makes_the_same_trial_again(tmp_path: Path) -> None:
    one, other = (Subject(light_formats()["bundle-bytes"], tmp_path / name) for name in "ab")
    for seed in range(3):
        first, second = one.try_seed(seed, "now"), other.try_seed(seed, "now")
        assert (first.what, first.outcome, first.kind) == (second.what, second.outcome, second.kind)


def _tensors(folder: Path) -> Any:
    """Without the ledger of those who load them, which is a second guard."""
    tensors = read_bundle(folder / "backbone.safetensors").tensors
    return {name: tensor_checksum(value) for name, value in tensors.items()}


def test_a_bundle_whose_checksums_nobody_looks_at_fails(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """The negative control: with its guard taken away, a reader of the program must be found out."""
    flipped, seeds = replace(BUNDLE, mutators=(flip_bits,), read=_tensors), range(4)
    guarded = Subject(flipped, tmp_path / "guarded")
    assert {guarded.try_seed(seed, "now").outcome for seed in seeds} == {REFUSED}
    monkeypatch.setattr(bundle, "_check_tensors", lambda *read: None)
    unguarded = Subject(flipped, tmp_path / "unguarded")
    assert {unguarded.try_seed(seed, "now").outcome for seed in seeds} == {SILENT}


def _write_numbers(folder: Path) -> None:
    (folder / "numbers.json").write_text("[1, 2, 3]")


def _read_numbers(folder: Path) -> Any:
    path = folder / "numbers.json"
    try:
        numbers = json.loads(path.read_text())
    except ValueError:
        raise UserError(f"{path} is not JSON; write it again") from None
    if numbers != [1, 2, 3]:
        raise UserError(f"{path} holds other numbers than 1, 2, 3; write it again")
    return numbers


NUMBERS = Format("numbers", _write_numbers, ("numbers.json",), _read_numbers, DAMAGE, free=())


def _unguarded(folder: Path) -> Any:
    return json.loads((folder / "numbers.json").read_text())


def _told_badly(folder: Path) -> Any:
    try:
        return _read_numbers(folder)
    except UserError:
        raise UserError("something is wrong\nwith a file") from None


def _untidy(folder: Path) -> Any:
    numbers = _read_numbers(folder)
    (folder / "left.txt").write_text("behind")
    return numbers


@mark.parametrize(
    ("form", "wanted"),
    [
        (NUMBERS, {SAME, REFUSED}),
        (replace(NUMBERS, read=_unguarded), {SAME, SILENT, TRACEBACK}),
        (replace(NUMBERS, read=_unguarded, free=("bytes",)), {SAME, OTHER, TRACEBACK}),
        (replace(NUMBERS, read=_told_badly), {SAME, MESSAGE}),
        (replace(NUMBERS, read=_untidy, may_write=("*.txt",)), {SAME, REFUSED}),
    ],
    ids=["guarded", "unguarded", "other inputs", "told badly", "may write"],
)
def test_what_a_reader_does_is_found_out(form: Format, wanted: set[str], tmp_path: Path) -> None:
    subject = Subject(form, tmp_path)
    assert {subject.try_seed(seed, "now").outcome for seed in range(20)} == wanted


def test_what_a_reader_leaves_behind_is_found_and_put_in_order(tmp_path: Path) -> None:
    subject = Subject(replace(NUMBERS, read=_untidy), tmp_path)
    trial = next(trial for seed in range(25) if (trial := subject.try_seed(seed, "now")).outcome != REFUSED)
    assert trial.outcome == TOUCHED
    assert "left.txt" in trial.detail
    assert [path.name for path in (tmp_path / "numbers").iterdir()] == ["numbers.json"]


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(documents, st.integers(0, 10**6))
def test_a_field_is_changed_and_the_document_is_left_alone(document: Any, seed: int) -> None:
    before = repr(document)
    changed, what, _ = change_field(document, Random(seed))
    assert repr(document) == before
    assert repr(changed) != before or "all of it" in what
    assert all(repr(value) for value in VALUES)


@settings(max_examples=25, deadline=None)
@given(documents)
def test_every_place_leads_somewhere(document: Any) -> None:
    for place in places(document):
        value = document
        for key in place:
            value = value[key]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 10**6), st.sampled_from(DAMAGE))
def test_damage_can_be_done_to_anything_and_repeated(content: bytes, seed: int, mutator: Any) -> None:
    assert mutator(content, Random(seed)) == mutator(content, Random(seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_another_entry_can_be_put_in_the_place_of_a_file(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        victim = Path(folder, "inside", "a.txt")
        victim.parent.mkdir()
        victim.write_text("a")
        before = state(Path(folder))
        assert change_entry(victim, Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder, "b.txt")
        alone.write_text("b")
        assert change_entry(alone, Random(seed), Path(folder))
        assert Path(folder).is_dir()
        # A name that it already has is the one thing that can be drawn and changes nothing.
        assert state(Path(folder)) != before or victim.exists()
