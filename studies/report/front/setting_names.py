"""What the settings of one tree are called on the page, and the folders that their files go to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from studies.report.forms.records import Records
from studies.report.front.dateline import measured_on
from transfer.catalogue import CLASSIFICATION, transfers


class SettingName(NamedTuple):
    """In words, and as a folder's name; both are empty where there is one setting."""

    words: str
    folder: str


def name_settings(settings: Sequence[Records]) -> list[SettingName]:
    """Task, data and protocol of each, and its place in the tree's order where two are called the same.

    The first keeps the report's own folder.
    """
    if len(settings) == 1:
        return [SettingName("", "")]
    words = [_words(records) for records in settings]
    trained = [measured_on(records.finished, CLASSIFICATION, brief=True) for records in settings]
    if len(set(filter(None, trained))) > 1:
        words = [", ".join(filter(None, pair)) for pair in zip(words, trained, strict=True)]
    words = [
        f"{text}, {_hashes(records)}" if words.count(text) > 1 else text
        for text, records in zip(words, settings, strict=True)
    ]
    folders = ["" if place == 0 else f"{place + 1}-{_folder(text)}" for place, text in enumerate(words)]
    return [SettingName(f"{text[0].upper()}{text[1:]}", folder) for text, folder in zip(words, folders, strict=True)]


def _words(records: Records) -> str:
    told = [measured_on(records.finished, task, brief=True) for task in transfers()]
    return ", ".join(filter(None, told)) or measured_on(records.finished, CLASSIFICATION, brief=True)


def _hashes(records: Records) -> str:
    """What tells two settings apart whose data and protocol have the same names."""
    runs = [each.run for each in records.finished if each.run.task in transfers()]
    found = dict.fromkeys(f"{run.config_hash} {run.fingerprint or ''}".strip() for run in runs)
    return f"configuration and data {', '.join(found)}"


def _folder(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60]
