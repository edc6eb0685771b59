"""``docs/reliability.md`` and ``reliability.json`` from the records of campaigns."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import write_bytes, write_json
from backbones.machine.versions import package_versions
from backbones.reporting.markdown import markdown_table
from campaigns.engine.records import read_trials
from campaigns.engine.trial import PASSING, Trial

TEMPLATE = Path(__file__).with_name("reliability.md")
PACKAGES = ("torch", "numpy", "pillow", "opencv-python-headless", "mmengine", "mmdet", "mmsegmentation")
WIDTH = 120
_LONGEST = 110  # characters of an example


def write_report(records: Path, out: Path) -> Path:
    """Write both files of the commit that was tried last; returns the document's path.

    Raises:
        UserError: There are no trials.
    """
    trials = list(read_trials(records))
    if not trials:
        raise UserError(f"--records {records} holds no trials; make some first")
    found = summary([trial for trial in trials if trial.commit == trials[-1].commit])
    write_json(out / "reliability.json", found)
    path = out / "reliability.md"
    write_bytes(path, document(found).encode())
    return path


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Counts by campaign and subject, and the kinds of failures, as they stand in ``reliability.json``."""
    campaigns: dict[str, dict[str, dict[str, Any]]] = {}
    for trial in trials:
        subjects = campaigns.setdefault(trial.campaign, {})
        subject = subjects.setdefault(trial.subject, {"outcomes": Counter(), "seeds": []})
        subject["outcomes"][trial.outcome] += 1
        subject["seeds"] = [min([*subject["seeds"], trial.seed]), max([*subject["seeds"], trial.seed])]
    return {
        "commit": trials[0].commit,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(sum(trial.seconds for trial in trials)),
        "versions": package_versions(PACKAGES),
        "campaigns": campaigns,
        "failures": list(_failures(trials)),
    }


def _failures(trials: Sequence[Trial]) -> Iterable[dict[str, Any]]:
    """By kind, the most frequent first."""
    kinds: dict[tuple[str, str, str], list[Trial]] = {}
    for trial in trials:
        if not trial.passed:
            kinds.setdefault((trial.campaign, trial.outcome, trial.kind), []).append(trial)
    for (campaign, outcome, kind), found in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])):
        example = {name: getattr(found[0], name) for name in ("subject", "seed", "what")}
        subjects = dict(Counter(trial.subject for trial in found))
        yield {"campaign": campaign, "outcome": outcome, "kind": kind, "subjects": subjects, "example": example}


def document(found: Mapping[str, Any]) -> str:
    """The document of a summary, read from ``reliability.json`` or just made."""
    named = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    counts = [each["outcomes"] for subjects in found["campaigns"].values() for each in subjects.values()]
    trials, passed = _total(counts), _total(counts, PASSING)
    parts = {
        "total": f"{trials:,} trials, {passed:,} passed, {trials - passed:,} failed",
        "where": f"commit {found['commit']} on {found['date']}, in {found['seconds']:,} s of trials; {named}",
        "failures": _failure_list(found["failures"]),
        **{name: _table(found["campaigns"].get(name, {})) for name in ("mutation", "kill", "resources")},
    }
    parts["where"] = textwrap.fill(parts["where"], WIDTH - 1, break_on_hyphens=False)  # a full stop follows
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def _total(counts: Iterable[Mapping[str, int]], outcomes: Sequence[str] | None = None) -> int:
    return sum(n for each in counts for outcome, n in each.items() if outcomes is None or outcome in outcomes)


def _table(subjects: Mapping[str, Mapping[str, Any]]) -> str:
    """Passed by outcome, failed by outcome, a line for each subject."""
    if not subjects:
        return "No trials."
    there = {outcome for each in subjects.values() for outcome in each["outcomes"]}
    passing = [outcome for outcome in PASSING if outcome in there]
    failing = sorted(there - set(PASSING))
    rows = []
    for name, each in sorted(subjects.items()):
        outcomes = each["outcomes"]
        counts = [_total([outcomes]), _total([outcomes], PASSING), *(outcomes.get(key, 0) for key in passing)]
        rows.append([name, *map(str, counts), *(f"**{outcomes[key]}**" if key in outcomes else "" for key in failing)])
    return markdown_table(["", "trials", "passed", *passing, *failing], rows)


def _failure_list(failures: Sequence[Mapping[str, Any]]) -> str:
    """An item for each kind: how often, what, where, and one of them."""
    items = []
    for each in failures:
        where = ", ".join(f"{name} ({count})" for name, count in each["subjects"].items())
        example = each["example"]
        again = f"{example['subject']}, seed {example['seed']}: {_plain(example['what'])}"
        what = f"{sum(each['subjects'].values())} × {each['outcome']}, {_plain(each['kind'])}"  # noqa: RUF001 (times)
        item = f"- {what}. In {where}. For example {again}"
        items.append(textwrap.fill(item, WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(items) or "None."


def _plain(text: str) -> str:
    """A text for a cell of a table: no line break, nothing that Markdown reads, not too long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text).replace("|", "/").replace("`", "'")
    shown = shown.replace("<", "&lt;").replace("*", "\\*")
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"
