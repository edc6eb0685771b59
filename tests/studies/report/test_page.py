"""The page: whole, true to ``comparison.json``, and open about what is not there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backbones.reporting.numbers import p_value
from studies.report.words import plain, signed


def look_up(content: Any, source: str) -> Any:
    for key in source.split("."):
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def paper_value(content: dict[str, Any], source: str) -> float:
    """A number of the paper as the cells of the comparison hold it."""
    kind, recipe, metric = source.split(".")
    cell = next(row for row in content["rows"] if row["recipe"] == recipe)["cells"][metric]
    return cell["paper"]["value" if kind == "paper" else "difference"]


def test_every_number_is_that_of_the_json(study: Path, make: Callable[..., Any]) -> None:
    page, _, content = make(study)
    there = {row["recipe"] for row in content["rows"]}
    checked = 0
    for source, value, text in page.numbers:
        kind, recipe = source.split(".")[:2]
        if kind in ("paper", "gain"):
            if recipe not in there:
                continue
            expected = paper_value(content, source)
        else:
            expected = look_up(content, source)
        assert float(value) == expected, source
        assert text in {plain(expected), signed(expected), p_value(expected), plain(expected, 0)}, source
        checked += 1
    assert checked > 250
    means = {source for source, _, _ in page.numbers if source.endswith(".mean")}
    assert len(means) == sum(cell["mean"] is not None for row in content["rows"] for cell in row["cells"].values())


def test_verdicts_are_those_of_the_json(study: Path, make: Callable[..., Any]) -> None:
    page, _, content = make(study)
    cells = {row["name"]: row["cells"]["voc07_map"] for row in content["rows"]}
    assert cells["d-cosine"]["verdict"]["outcome"] == "carries over"
    assert cells["d-cosine"]["paper_verdict"]["outcome"] == "same sign, larger"
    for name, cell in cells.items():
        for verdict in (cell["verdict"], cell["paper_verdict"]):
            assert verdict is None or verdict["outcome"] in page.row("table-8", name)
    drops = {row["name"]: row["cells"]["miou"]["paper_verdict"]["outcome"] for row in content["drops"]}
    assert set(drops) == {"d-smooth"}
    assert drops["d-smooth"] in page.row("drops", "d-smooth")


def test_it_is_one_file_that_loads_nothing(study: Path, make: Callable[..., Any]) -> None:
    page, text, _ = make(study)
    files = {path.name for path in (study / "report").iterdir()}
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            to_a_file = (tag, name) == ("a", "href") and attributes.get(name) in files  # which lies beside the page
            assert to_a_file or attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"https?://|@import|url\((?!data:)", text)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {href[1:] for _, a in page.tags if (href := a.get("href", "")).startswith("#")} <= set(identifiers)
    assert sum(tag == "svg" for tag, _ in page.tags) >= 7


def test_what_is_missing_partial_or_unlike_stands_in_its_row(study: Path, make: Callable[..., Any]) -> None:
    page, _, _ = make(study)
    assert "2 of 3 runs" in page.row("table-8", "d-smooth")
    assert "2 of 3 runs" not in page.row("table-8", "d-cosine")
    assert "other versions: torch 2.10.0" in page.row("table-8", "d-efficient")
    assert "other versions" not in page.row("table-8", "d-cosine")
    assert "unfinished: seed 1" in page.row("table-8", "d-mixup")
    assert "unfinished" not in page.row("table-9", "d-mixup")
    assert "not run" in page.row("table-9", "d-mixup")
    assert "not run" in page.row("table-8", "d-distill-mixup")
    assert "81.33" in page.row("table-8", "d-distill-mixup")
    assert "1 unfinished" in page.text


def test_an_unfinished_row_on_another_network_has_a_line_of_its_own(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 51))
    add_run(tmp_path, "detection", "d-smooth", (52, 53))
    add_run(tmp_path, "detection", "d-smooth", None, seed=4, network="resnet50_d", command="python x --seed 4")
    page, _, _ = make(tmp_path)
    (line,) = [row for row in page.rows["table-8"] if "resnet50_d" in row]
    assert "unfinished: seed 4" in line
    assert "unfinished" not in page.row("table-8", "d-mixup")
    assert page.text.count("python x --seed 4") == 1


def test_rows_that_were_not_trained_alike_are_called_so_on_top(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    for recipe, epochs in (("b-standard", 10), ("d-smooth", 20)):
        add_run(tmp_path, "classification", recipe, (60, 80), settings={"epochs": epochs}, protocol=f"{epochs} px")
    page, text, _ = make(tmp_path)
    assert text.index("NOT ALIKE") < text.index("tables, beside these runs")
    assert "protocol 20 px" in page.row("table-8", "d-smooth")


def test_names_and_commands_cannot_become_markup(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    evil = "<script>alert(1)</script>&\"'"
    add_run(tmp_path, "detection", "b-standard", (50, 51), command=f"echo {evil}")
    add_run(
        tmp_path,
        "detection",
        evil,
        (52, 53),
        folder="evil",
        versions={"torch": evil},
        per_class={evil: {"voc07_ap": 3}},
    )
    page, text, _ = make(tmp_path, title=f"{evil}{{{{ 7 * 7 }}}}")
    assert "<script>alert" not in text
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert f"{evil}{{{{ 7 * 7 }}}}" in page.text
    assert f"echo {evil}" in page.text


def test_classification_alone_makes_a_page(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    add_run(tmp_path, "classification", "b-standard", (60, 80))
    page, _, _ = make(tmp_path)
    assert "Detection (mAP 07): there is no finished run." in page.text
    assert page.text.count("There is no finished run.") == 3  # in place of the bars
    assert "There is no finished transfer" in page.text


def test_commands_and_proof_and_cost(tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]) -> None:
    proof = {
        "ledger": {
            "source_tensors": 9,
            "mapped": 7,
            "dropped": {"dropped: classifier head": ["a", "b"]},
            "digest": "ab" * 32,
        },
        "features": {"equal": True, "stages": [{}, {}], "dense_output_stride": 8},
    }
    rows = {"b-standard": (50, 51), "d-cosine": (51, 56), "d-smooth": (62, 63), "d-mixup": (54, 55)}
    for (recipe, values), seed in itertools.product(rows.items(), range(2)):
        value = values[seed]
        if recipe != "d-mixup":
            add_run(tmp_path, "classification", recipe, (70, 90), seed, timings={"total_seconds": 3600})
        path = add_run(
            tmp_path, "detection", recipe, (value, value), seed, proof=proof, command=f"python x {recipe}",
            timings={"total_seconds": 7200}, hardware={"device": "cuda:0", "name": "H200", "processes": 2},
        )  # fmt: skip
        steps = [
            {"kind": "step", "step": n, "loss": 1 / n, "images_per_second": 10 * n, "data_wait": 0.25}
            for n in (1, 2, 3)
        ]
        (path / "metrics.jsonl").write_text("".join(f"{json.dumps(step)}\n" for step in steps) + '{"kind": "step", "st')
    page, _, _ = make(tmp_path)
    assert "7 of 9 arrived; dropped: 2 classifier head" in page.row("proofs", "d-smooth")
    assert "2 stages equal, bit for bit; built at output stride 8" in page.row("proofs", "d-smooth")
    lines = [" ".join(text.split()) for text in page.rows["costs"]]
    assert "d-smooth detection 2 4.00 8.00 20.0 25.0 % not read not read 0.250 H200" in lines
    unclear = "d-cosine detection 2 4.00 8.00 20.0 25.0 % not read not read \u2013 H200"
    assert unclear in lines  # its interval holds 0: nobody knows what a point costs
    assert lines[-1].startswith("d-mixup detection")
    assert lines[-1].endswith("not read not read \u2013 H200")  # nobody knows what its backbone cost
    assert "python x d-smooth" in page.text


@pytest.mark.parametrize(
    ("timings", "words"),
    [
        ([{"kwh": 1.5, "kwh_of": {"cpu": 0.5, "gpu": 1.0}}] * 2, "3.00 kWh CPU + GPU"),
        ([{"kwh": 1.0, "kwh_of": {"cpu": None, "gpu": 1.0}}] * 2, "2.00 kWh GPU alone, CPU not readable"),
        (
            [{"kwh": 1.5, "kwh_of": {"cpu": 0.5, "gpu": 1.0}}, {"kwh": 1.0, "kwh_of": {"cpu": None, "gpu": 1.0}}],
            "2.00 kWh GPU alone, CPU not readable",
        ),
        ([{"kwh_of": {"cpu": None, "gpu": None}}] * 2, "not read CPU and GPU not readable"),
        ([{"kwh": 0.25, "kwh_of": {"cpu": 0.25}}, {"kwh": 0.5}], "0.75 kWh CPU"),
        ([{"kwh": 0.25, "kwh_of": {"cpu": 0.25}}, {}], "not read"),
    ],
)
def test_energy_says_which_parts_it_is_of(
    tmp_path: Path, add_run: Callable[..., Path], timings: list[dict[str, Any]], words: str, make: Callable[..., Any]
) -> None:
    for seed, each in enumerate(timings):
        add_run(tmp_path, "detection", "b-standard", (50, 51), seed, timings=each)
    page, _, _ = make(tmp_path)
    line = " ".join(page.rows["costs"][1].split())
    assert line == f"b-standard detection 2 not read not read not read not read not read {words} \u2013 not read"


def test_a_damaged_log_or_none_costs_its_curve_only(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    path = add_run(tmp_path, "detection", "b-standard", (50, 51))
    (path / "metrics.jsonl").write_bytes(b"\xff\xfe{]\n")
    page, _, _ = make(tmp_path)
    assert "No run folder holds a metrics.jsonl" in page.text


def test_rows_of_other_code_say_so_and_runs_that_were_resumed_with_other_code_too(
    tmp_path: Path, add_run: Callable[..., Path], make: Callable[..., Any]
) -> None:
    resumed = [{"command": "first"}, {"command": "second", "code": "cccc"}]
    for recipe, code, extra in (
        ("b-standard", "aaaa", {}),
        ("d-efficient", "aaaa", {}),
        ("d-cosine", "bbbb", {}),
        ("d-smooth", "aaaa", {"sittings": resumed}),
    ):
        add_run(tmp_path, "detection", recipe, (50, 51), code=code, **extra)
    page, _, _ = make(tmp_path)
    assert "code bbbb" in page.row("table-8", "d-cosine")
    assert "code aaaa and cccc" in page.row("table-8", "d-smooth")
    for same in ("b-standard", "d-efficient"):
        assert "code" not in page.row("table-8", same)


def test_a_row_has_its_color_in_every_figure(one_seed: Path, make: Callable[..., Any]) -> None:
    records = [("classification", ("b-standard", "d-smooth"), "epoch", "top1")]
    records += [("detection", ("random", "b-standard", "d-smooth"), "step", "loss")]
    for task, recipes, kind, key in records:
        for recipe in recipes:
            (folder,) = one_seed.glob(f"{recipe}-*-{task}-0")
            lines = [json.dumps({"kind": kind, "step": step, key: 1.0 * step}) for step in (1, 2, 3)]
            (folder / "metrics.jsonl").write_text("\n".join(lines))
    _, text, _ = make(one_seed)
    drawn = re.findall(r'class="series (s\d)"', text)
    assert drawn == ["s2", "s3", "s1", "s2", "s3"]
