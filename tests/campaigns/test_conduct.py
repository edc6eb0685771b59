"""Which trials a command line asks for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

from pytest import CaptureFixture, MonkeyPatch, fixture, raises

from backbones.errors import UserError
from campaigns import conduct
from campaigns.engine.records import Records
from campaigns.engine.trial import HANG, SAME, Trial


@fixture(autouse=True)
def two_campaigns(monkeypatch: MonkeyPatch) -> None:
    """Campaigns whose trials are made at once: seed 2 always fails."""

    def campaign(name: str) -> SimpleNamespace:
        def run(
            names: Sequence[str], seeds: Iterable[int], folder: Path, records: Records, go_on: Callable[[], bool]
        ) -> Iterator[Trial]:
            assert go_on()
            for seed in seeds:
                for each in names:
                    outcome, kind = (HANG, "slow") if seed == 2 else (SAME, "")
                    yield Trial(name, each, seed, "what", outcome, kind, "said", 0.1, records.commit)

        return SimpleNamespace(subjects=lambda: [f"{name}-a", f"{name}-b"], run=run)

    monkeypatch.setattr(conduct, "CAMPAIGNS", {"first": 0.5, "second": 0.5})
    monkeypatch.setattr(conduct, "_load", {name: campaign(name) for name in ("first", "second")}.__getitem__)
    monkeypatch.setenv("CARRYOVER_CACHE", "as before the test")


def options(tmp_path: Path, **changes: object) -> Namespace:
    usual = dict(names=[], only=[], minutes=1.0, trials=2, seed=0, show=False, scratch=tmp_path)
    return Namespace(**{**usual, "records": tmp_path / "trials.jsonl", **changes})


def test_all_campaigns_or_some(tmp_path: Path, capsys: CaptureFixture[str]) -> None:
    assert str(conduct.conduct(options(tmp_path))) == "8 trials, 8 passed, 0 failed"
    assert str(conduct.conduct(options(tmp_path, names=["second"]))) == "4 trials, 4 passed, 0 failed"
    assert str(conduct.conduct(options(tmp_path, only=["first-b"], seed=1))) == "2 trials, 1 passed, 1 failed"
    assert capsys.readouterr().out == ""
    assert conduct.conduct(options(tmp_path, seed=2, trials=1, only=["first-a"], show=True)).failed == 1
    assert capsys.readouterr().out.splitlines()[:2] == ["first-a 2: what: hang, slow", "said"]
    assert list(tmp_path.iterdir()) == []  # nothing of the trials is left


def test_what_there_is_not_is_an_error(tmp_path: Path) -> None:
    with raises(UserError, match="frist: no such campaign; did you mean first"):
        conduct.conduct(options(tmp_path, names=["frist"]))
    with raises(UserError, match="--only second-c: no such subject; did you mean second-"):
        conduct.conduct(options(tmp_path, only=["second-c"]))
    assert list(conduct.listed()) == ["first: first-a first-b", "second: second-a second-b"]
