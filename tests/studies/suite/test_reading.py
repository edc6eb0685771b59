"""What a suite's file may say, and the one message for each mistake in it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pytest import MonkeyPatch, mark, raises
from suite_weights import stand_in

from backbones.errors import UserError
from backbones.recipes.paper import table_rows
from studies.ablation.rows import preset_rows
from studies.suite.reading import read_suite

ROOT = Path(__file__).resolve().parents[3]
GOOD = """
seeds: [0, 1]
baseline: b-standard
classification:
  data: somewhere
  options: {epochs: 2}
detection:
  protocol: det_configs/faster_rcnn_fpn_demo.py
  data: elsewhere
rows:
  - {recipe: b-standard, network: resnet18_b, options: {lr: 0.1}}
  - {recipe: [d-cosine, d-smooth], network: resnet18_d}
  - {recipe: random, network: resnet18_d}
expected:
  d-smooth:
    top1: {value: 50, tolerance: 5}
"""


def test_a_row_entry_makes_a_row_for_each_recipe_on_each_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rows, _, _ = GOOD.partition("expected:")
    path.write_text(rows.replace("d-smooth], network: resnet18_d", "smooth], network: [resnet18_d, mobilenet_v1]"))
    assert [(row.name, row.recipe, row.network) for row in read_suite(path).rows] == [
        ("b-standard", "b-standard", "resnet18_b"),
        ("d-cosine-resnet18_d", "d-cosine", "resnet18_d"),
        ("smooth-resnet18_d", "smooth", "resnet18_d"),
        ("d-cosine-mobilenet_v1", "d-cosine", "mobilenet_v1"),
        ("smooth-mobilenet_v1", "smooth", "mobilenet_v1"),
        ("random", "random", "resnet18_d"),
    ]


def test_a_network_of_timm_is_one_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rows, _, _ = GOOD.partition("expected:")
    path.write_text(rows.replace("network: resnet18_d", 'network: ["timm:regnety_002", resnet18_d]'))
    named = {row.name: row.network for row in read_suite(path).rows}
    assert named["d-smooth-timm-regnety_002"] == named["random-timm-regnety_002"] == "timm:regnety_002"
    path.write_text(rows.replace("network: resnet18_d", 'network: "timm:regnety_02"'))
    with raises(UserError, match=r"unknown network 'timm:regnety_02': did you mean .*regnety_002") as caught:
        read_suite(path)
    assert "\n" not in str(caught.value)


TEN_OF_TEN = "\n".join(
    ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
    + [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 10)]
)


@mark.parametrize(
    ("said", "instead", "message"),
    [
        ("seeds:", "seed:", "unknown key seed; did you mean seeds? known here are title, note, seeds"),
        (
            "seeds:",
            "transfers-per-training: 0\nseeds:",
            "transfers-per-training is 0 where a whole number from 1 should",
        ),
        (
            "  data: elsewhere",
            "  data: elsewhere\n  transfers-per-training: many",
            "detection.transfers-per-training is",
        ),
        ("epochs: 2}", "epochs: 2}\n  transfers-per-training: 2", "unknown key classification.transfers-per-training"),
        ("epochs: 2}", "epochs: 2}\n  protocol: x", "unknown key classification.protocol"),
        ("[0, 1]", "[0, 0]", r"seeds is [0, 0] where a list of different whole numbers from 0 should be"),
        ("[0, 1]", "3", "seeds is 3 where a list of whole numbers should be"),
        ("recipe: b-standard", "recipe: b-standart", "rows[0].recipe: unknown recipe 'b-standart': did you mean"),
        ("resnet18_b,", "resnet18-b,", "rows[0].network: no network 'resnet18-b'; did you mean"),
        ("{recipe: random,", "{recipe: random, options: {lr: 1},", "rows[2].recipe: a random row is not trained"),
        ("{recipe: random,", "{recipe: random, tasks: [detektion],", "no transfer 'detektion'; did you mean detection"),
        ("{recipe: random,", "{recipe: d-distill,", "d-distill distils and has no teacher"),
        ("{recipe: random,", "{recipe: d-distill, teacher: big,", "teacher 'big' of d-distill is none of the suite's"),
        ("{recipe: random,", "{recipe: d-mixup, teacher: a/b,", "d-mixup has a teacher and does not distil"),
        ("{recipe: random,", "{recipe: d-smooth,", "2 rows are called 'd-smooth'"),
        ("{recipe: random,", "{recipe: d-smooth, name: other,", "d-smooth and other are both d-smooth on resnet18_d"),
        ("{recipe: random,", "{recipe: random, name: a/b,", "'a/b' is to be a folder's"),
        (
            "  - {recipe: random, network: resnet18_d}",
            "  - {from: timm:resnet50d.gluon_in1k}",
            "rows[2].name: is missing",
        ),
        ("{recipe: random, network: resnet18_d}", "{name: x, from: tim:resnet50d}", "rows[2].from.source: "),
        (
            "{recipe: random, network: resnet18_d}",
            "{name: x, from: {source: timm:resnet50d, key: y}}",
            "from.key: names",
        ),
        ("data: somewhere", "data: shapes:smal", "classification.data: no shapes 'smal'"),
        ("data: somewhere", "x-data: a", "unknown key classification.x-data; did you mean data"),
        ("  data: somewhere\n", "", "classification.data is missing, and b-standard is to be trained"),
        ("  protocol: det_configs/faster_rcnn_fpn_demo.py\n", "", "detection.protocol: is missing"),
        ("  d-smooth:\n    top1", "  d-smoth:\n    top1", "unknown key expected.d-smoth; did you mean d-smooth"),
        ("top1: {", "top2: {", "expected.d-smooth.top2: no such metric; did you mean top5 or top1"),
        ("tolerance: 5", "at-least: 5", "value goes with tolerance"),
        ("    top1: {value", "    miou: {value", "expected.d-smooth.miou: the row has no run that measures it"),
        ("  d-smooth:\n    top1", "  random:\n    top1", "expected.random.top1: the row has no run that measures it"),
        ("expected:", "teachers: [{name: t, recipe: random, network: resnet18_d}]\nexpected:", "teacher t is random"),
        (
            "expected:",
            "teachers:\n"
            "  - {name: a, recipe: d-distill, network: resnet18_d, teacher: b}\n"
            "  - {name: b, recipe: d-distill, network: resnet34_d, teacher: a}\n"
            "expected:",
            "teacher a is taught by its own student",
        ),
        ("value: 50, tolerance: 5", "tolerance: 5", "needs value and tolerance, at-least, or at-most"),
        ("value: 50", "value: 150", "expected.d-smooth.top1.value is 150 where a percentage should be"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nseeds: [2]", "line 3: not readable as YAML ('seeds' stands there twice)"),
        ("seeds: [0, 1]", "seeds: [0, 1", "not readable as YAML"),
        (GOOD, "- a list", "it holds ['a list'] where a section"),
        (GOOD, "[" * 900, "sections in sections without end"),
        (GOOD, "a: " + "[" * 50 + "]" * 50, "line 1: not readable as YAML (it holds more than 40 levels)"),
        (GOOD, TEN_OF_TEN, "it holds more than 100000 values, by aliases"),
        (GOOD, "a: &a [*a]", "by aliases"),
        ("seeds: [0, 1]", "seeds: [0, 1]\ntitle: 2026-13-45\njobs: !!int x", "(int cannot be made of this"),
        ("seeds: [0, 1]", "seeds: [0, 1]\ntitle: \0", "#x0000: special characters are not allowed"),
        (
            "seeds: [0, 1]",
            "seeds: !!python/name:os.system [0]",
            "YAML (could not determine a constructor",
        ),
        ("tolerance: 5", "tolerance: .nan", "expected.d-smooth.top1.tolerance is nan where a finite number should be"),
    ],
)
def test_a_mistake_is_one_message_that_names_file_and_key(
    said: str, instead: str, message: str, tmp_path: Path
) -> None:
    assert said in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(said, instead, 1))
    with raises(UserError, match=re.escape(message)) as caught:
        read_suite(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@mark.parametrize(
    ("document", "task", "row", "expected"),
    [("", "", "", (1, None)), ("3", "", "", (3, None)), ("3", "2", "", (2, None)), ("3", "2", "1", (2, 1))],
)
def test_transfers_per_training_are_said_for_all_tasks_for_one_or_for_a_row(
    document: str, task: str, row: str, expected: tuple[int, int | None], tmp_path: Path
) -> None:
    key = "transfers-per-training: "
    text = GOOD.replace("seeds:", f"{key}{document}\nseeds:") if document else GOOD
    text = text.replace("  data: elsewhere", f"  data: elsewhere\n  {key}{task}") if task else text
    text = text.replace("{recipe: random,", f"{{recipe: random, {key}{row},") if row else text
    (tmp_path / "mine.yaml").write_text(text)
    suite = read_suite(tmp_path / "mine.yaml")
    assert (suite.tasks["detection"].transfers_per_training, suite.rows[-1].transfers_per_training) == expected
    assert suite.rows[0].transfers_per_training is None


@mark.parametrize(
    ("text", "key"),
    [
        ("transfers-per-training: 2\n{}rows: [{{recipe: d-smooth, network: resnet18_d}}]", "transfers-per-training"),
        ("{}rows: [{{recipe: d-smooth, network: resnet18_d, transfers-per-training: 2}}]", "rows[0].transfers-per"),
    ],
)
def test_transfers_per_training_without_a_transfer_are_a_mistake(text: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text.format("classification: {data: somewhere}\n"))
    with raises(UserError, match=re.escape(f"mine.yaml: {key}")) as caught:
        read_suite(tmp_path / "mine.yaml")
    assert "there is no transfer here; add detection or segmentation" in str(caught.value)


def test_teachers_are_in_no_comparison_so_they_may_be_like_a_row_and_like_each_other(tmp_path: Path) -> None:
    teachers = "teachers:\n" + "".join(
        f"  - {{name: {name}, recipe: d-smooth, network: resnet18_d, options: {{epochs: {epochs}}}}}\n"
        for name, epochs in (("short", 1), ("long", 2))
    )
    (tmp_path / "mine.yaml").write_text(teachers + GOOD)
    assert [teacher.name for teacher in read_suite(tmp_path / "mine.yaml").teachers] == ["short", "long"]


@mark.parametrize(
    ("said", "message"),
    [
        ("{nobody: differs}", r"mine\.yaml: unknown key controls\.nobody"),
        ("{random: better}", "controls.random is 'better'.* one of carries over, reverses, differs"),
        ("{random: }", "controls.random"),
        ("{b-standard: differs}", "controls.b-standard: is the baseline, which has no verdict"),
        ("[random]", "mine.yaml: controls"),
    ],
)
def test_a_control_is_a_row_with_a_verdict(said: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"controls: {said}\n{GOOD}")
    with raises(UserError, match=message) as caught:
        read_suite(tmp_path / "mine.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_message(tmp_path: Path) -> None:
    with raises(UserError, match=r"cannot read .*none\.yaml"):
        read_suite(tmp_path / "none.yaml")


def shipped(name: str) -> dict[str, tuple[str | None, ...]]:
    return {
        row.name: (row.recipe, row.network, row.teacher) for row in read_suite(ROOT / "suites" / f"{name}.yaml").rows
    }


@mark.parametrize("path", sorted((ROOT / "suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_suites_are_readable_and_their_protocols_exist(
    path: Path, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stand_in(path, tmp_path)
    suite = read_suite(path)
    assert suite.rows
    for name, task in suite.tasks.items():
        assert task.protocol is None or (ROOT / task.protocol).is_file(), name


def test_section_6_has_the_papers_rows_in_the_papers_order() -> None:
    order = [row["recipe"] for row in table_rows(8)]
    for name, deep in (("section6", "resnet50"), ("section6-small", "resnet18")):
        rows = shipped(name)
        trained = {row: what for row, what in rows.items() if row != "random"}
        assert sorted(trained) == sorted(order)
        assert ("random" in rows) == (name == "section6-small")
        assert {network for _, network, _ in rows.values()} == {f"{deep}_b", f"{deep}_d"}
        assert rows["d-distill-mixup"][2] == "teacher-mixup"
        suite = read_suite(ROOT / "suites" / f"{name}.yaml")
        assert suite.seeds == tuple(range(4 if name == "section6" else 8))
        assert [row.tasks for row in suite.rows] == [("detection", "segmentation")] * len(rows)


def test_the_ablation_has_every_row_of_tables_4_and_6() -> None:
    rows = shipped("ablation")
    found = {(recipe, network) for recipe, network, _ in rows.values()}
    wanted = {
        (row.recipe, network)
        for preset, networks in (
            ("table4-256", ["resnet50_a"]),
            ("table4-1024", ["resnet50_a"]),
            ("table6", ["resnet50_d", "inception_v3", "mobilenet_v1"]),
        )
        for network in networks
        for row in preset_rows(preset, network)
    }
    assert found == wanted


def test_the_demo_is_what_it_was() -> None:
    document = yaml.safe_load((ROOT / "suites" / "demo.yaml").read_text())
    suite = read_suite(ROOT / "suites" / "demo.yaml")
    assert [(row.recipe, row.network, row.options.get("lr")) for row in suite.rows] == [
        ("b-standard", "resnet18_b", 0.01),
        ("d-smooth", "resnet18_d", 0.05),
        ("random", "resnet18_d", None),
    ]
    assert document["classification"]["options"] == {"epochs": 6, "batch-size": 32, "image-size": 40, "workers": 1}
    assert document["shapes"]["small"] == {"images": 4800, "size": 48, "layouts": ["classification"]}
    assert document["shapes"]["large"] == {"images": 320, "size": 128, "layouts": ["detection", "segmentation"]}
    assert {each.row for each in suite.expected} == {"b-standard", "d-smooth", "random"}
