"""The comparison as text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from backbones.errors import UserError
from studies.comparison.compare import compare_runs
from studies.report.forms.csv_lines import CSV_FIELDS, as_csv
from studies.report.forms.text import as_json, as_markdown, as_text, write_report


def test_text_is_aligned_and_at_most_120_wide(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, network in (("b-standard", "resnet152_b"), ("d-distill-mixup", "resnet152_d")):
        for seed in (0, 1):
            for task in ("classification", "detection", "segmentation"):
                add_run(tmp_path, task, recipe, (99.99, 0.0 if recipe[0] == "b" else 100.0), seed, network)
    lines = as_text(compare_runs(tmp_path)).splitlines()
    assert max(map(len, lines)) <= 120
    first, last = [index for index, line in enumerate(lines) if set(line) == {"-"}][:2]
    assert len({len(line) for line in lines[first - 1 : last + 1]}) == 1
    assert lines[first - 1].startswith("row ")
    assert lines[0].startswith("Detection (mAP 07): ")


def test_markdown_is_a_regular_table(one_seed: Path, add_run: Callable[..., Path]) -> None:
    add_run(one_seed, "detection", "a|b", (40, 40))
    table = [line for line in as_markdown(compare_runs(one_seed)).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "//").count("|") for line in table}) == 1
    assert len({len(line) for line in table}) == 1
    assert table[2].startswith("| **random**")
    assert table[4].startswith("| *paper*")


def test_small_negative_differences_are_not_minus_zero(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "detection", "b-standard", (50.001, 50))
    add_run(tmp_path, "detection", "d-smooth", (50.0, 50))
    assert "-0.00" not in as_text(compare_runs(tmp_path))


def test_csv_has_a_line_per_row_and_metric(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    records = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert len(records) == 2 * 5
    assert tuple(records[0]) == CSV_FIELDS
    found = next(entry for entry in records if (entry["row"], entry["metric"]) == ("d-smooth", "voc07_map"))
    exact = {"n": "4", "seeds": "0 1 2 7", "pairs": "3", "baseline": "b-standard", "paper_table": "8"}
    assert {key: found[key] for key in exact} == exact
    assert float(found["difference_low"]) == pytest.approx(17.5 - 42.89, abs=0.02)
    assert float(found["paper_difference"]) == pytest.approx(3.17)
    empty = next(entry for entry in records if (entry["row"], entry["metric"]) == ("d-smooth", "miou"))
    assert (empty["mean"], empty["difference"], empty["n"]) == ("", "", "0")
    assert empty["paper"] == "38.75"


def test_json_holds_everything(three_seeds: Path) -> None:
    comparison = compare_runs(three_seeds)
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    smooth = next(entry for entry in document["rows"] if entry["name"] == "d-smooth")
    assert smooth["cells"]["voc07_map"]["values"] == [33, 35, 40, 90]
    assert smooth["cells"]["voc07_map"]["difference"]["pairs"] == 3
    assert smooth["paper_network"] == "resnet50_d"
    assert "d-smooth-resnet18_d-detection-7/result.json" in smooth["runs"]
    assert document["paper"] == "ResNet-50, ImageNet"
    assert document["baseline"] == "b-standard"
    assert str(three_seeds) not in json.dumps(document)


def test_report_that_cannot_be_written(one_seed: Path) -> None:
    (one_seed / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write the report to .*taken: cannot write .*File exists"):
        write_report(compare_runs(one_seed), one_seed / "taken")


def test_further_metrics_have_a_table_of_their_own(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, value in (("b-standard", 30.0), ("d-smooth", 33.0)):
        path = add_run(tmp_path, "segmentation", recipe, (70.0, value)) / "result.json"
        content = json.loads(path.read_text())
        content["metrics"]["miou_multiscale"] = value + 1.5
        path.write_text(json.dumps(content))
    comparison = compare_runs(tmp_path)
    for text in (as_text(comparison), as_markdown(comparison)):
        further = text.partition("urther metrics")[2]
        assert "mIoU multi" in further
        assert "34.50" in further
        assert "+3.00" in further
    assert ",miou_multiscale," in as_csv(comparison)
    assert as_json(comparison)["rows"][1]["cells"]["miou_multiscale"]["mean"] == 34.5


def test_without_further_metrics_there_is_no_table_of_them(one_seed: Path) -> None:
    assert "urther metrics" not in as_text(compare_runs(one_seed)) + as_markdown(compare_runs(one_seed))


EVIL = "<img src=x onerror=alert(1)>\x1b[31m\n# title ![x](https://example.org/x.png) `a` |"


def test_names_of_others_do_nothing_in_any_form(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe in ("b-standard", EVIL, "=HYPERLINK(1)"):
        for seed in (0, 1):
            add_run(tmp_path, "detection", recipe, (40 + seed, 40), seed)
    folder = add_run(tmp_path, "detection", EVIL, (40, 40), 3)
    (folder / "result.json").rename(folder / "run.json")  # an unfinished one, whose path is shown, too
    comparison = compare_runs(tmp_path)
    markdown, text, table = as_markdown(comparison), as_text(comparison), as_csv(comparison)
    for written in (markdown, text, table):
        assert {character for character in written if not character.isprintable()} == {"\n"}
    assert "# title" in markdown
    assert not any(line.startswith("# title") for line in markdown.splitlines())
    assert re.findall(r"<|(?<!\\)\[|(?<!\\)`", markdown) == []
    assert {record["row"] for record in csv.DictReader(io.StringIO(table))} >= {"b-standard", "'=HYPERLINK(1)"}
