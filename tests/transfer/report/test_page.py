"""The page: whole, true to ``comparison.json``, and open about what is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from transfer.compare import compare_runs
from transfer.report.page import write_page
from transfer.report.words import p_value, plain, signed
from transfer.tables import write_report

VOID = {"meta", "link", "input", "br", "img"}
NAMES = ("b-standard", "d-efficient", "d-cosine", "d-smooth")


class Page(HTMLParser):
    """The page taken apart. A tag that is closed where another is open is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.rows: dict[str, list[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append((tag, found))
        if tag == "tr":
            self.rows.setdefault(self.table, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        tag, found = self.open[-1] if self.open else ("", {})
        if tag == "data":
            self.numbers.append((found["data-from"], found["value"], data))
        if tag not in ("script", "style"):
            self.text += data
            if self.rows.get(self.table):
                self.rows[self.table][-1] += f"{data} "

    @property
    def table(self) -> str:
        return next((found.get("id", "") for tag, found in reversed(self.open) if tag == "table"), "")

    def row(self, table: str, name: str) -> str:
        """The words of a table's row."""
        return next(" ".join(text.split()) for text in self.rows[table] if name in text.split())


@pytest.fixture
def study(tmp_path: Path, add_run: Callable[..., Path]) -> Path:
    """Four of the paper's rows with three seeds each and all tasks; d-smooth lacks a seed, d-mixup is unfinished."""
    for place, recipe in enumerate(NAMES):
        for seed in range(3):
            noise = (0.0, 0.31, -0.27)[(seed + place) % 3]
            backbone = {"seed": seed, "sha256": f"{recipe}-{seed}"}
            extra: dict[str, Any] = {
                "versions": {"torch": "2.11.0"},
                "command": f"python train --seed {seed} && {recipe}",
            }
            add_run(tmp_path, "classification", recipe, (60 + place + noise, 85.0), seed, **extra)
            if (recipe, seed) == ("d-smooth", 2):
                continue
            if recipe == "d-efficient":
                extra["versions"] = {"torch": "2.10.0"}
            extra["backbone"] = backbone
            values = (40 + 3 * place + noise, 42 + 2 * place + noise)
            add_run(tmp_path, "detection", recipe, values, seed, **extra)
            add_run(tmp_path, "segmentation", recipe, (70 + noise, 30 - place + noise), seed, **extra)
    add_run(tmp_path, "detection", "d-mixup", None, 1)
    return tmp_path


def make(root: Path, **options: Any) -> tuple[Page, str, dict[str, Any]]:
    """Page, its source and the JSON beside it."""
    comparison = compare_runs(root, options.pop("baseline", None))
    folder = write_report(comparison, root / "report").parent
    text = write_page(comparison, folder, **options).read_text(encoding="utf-8")
    return Page(text), text, json.loads((folder / "comparison.json").read_text())


def look_up(content: Any, source: str) -> Any:
    for key in source.split("."):
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def paper_value(content: dict[str, Any], source: str) -> float:
    """A number of the paper as the cells of the comparison hold it."""
    kind, recipe, metric = source.split(".")
    cell = next(row for row in content["rows"] if row["recipe"] == recipe)["cells"][metric]
    return cell["paper"]["value" if kind == "paper" else "difference"]


def test_every_number_is_that_of_the_json(study: Path) -> None:
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


def test_verdicts_are_those_of_the_json(study: Path) -> None:
    page, _, content = make(study)
    outcomes = {row["name"]: (row["cells"]["voc07_map"]["verdict"] or {}).get("outcome") for row in content["rows"]}
    assert outcomes["d-cosine"] == "reproduced"
    for name, outcome in outcomes.items():
        if outcome:
            assert outcome.removesuffix(" at this n") in page.row("table-8", name)
    losses = {row["name"]: row["cells"]["miou"]["verdict"]["outcome"] for row in content["losses"]}
    assert set(losses) == {"d-smooth"}
    assert losses["d-smooth"].removesuffix(" at this n") in page.row("losses", "d-smooth")


def test_it_is_one_file_that_loads_nothing(study: Path) -> None:
    page, text, _ = make(study)
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"https?://|@import|url\((?!data:)", text)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {href[1:] for _, a in page.tags if (href := a.get("href", "")).startswith("#")} <= set(identifiers)
    assert sum(tag == "svg" for tag, _ in page.tags) >= 7


def test_what_is_missing_partial_or_unlike_stands_in_its_row(study: Path) -> None:
    page, _, _ = make(study)
    assert "2 of 3 seeds" in page.row("table-8", "d-smooth")
    assert "2 of 3 seeds" not in page.row("table-8", "d-cosine")
    assert "other versions: torch 2.10.0" in page.row("table-8", "d-efficient")
    assert "other versions" not in page.row("table-8", "d-cosine")
    assert "unfinished: seed 1" in page.row("table-8", "d-mixup")
    assert "unfinished" not in page.row("table-9", "d-mixup")
    assert "not run" in page.row("table-9", "d-mixup")
    assert "not run" in page.row("table-8", "d-distill-mixup")
    assert "81.33" in page.row("table-8", "d-distill-mixup")
    assert "1 unfinished" in page.text


def test_an_unfinished_row_on_another_network_has_a_line_of_its_own(
    tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    add_run(tmp_path, "detection", "b-standard", (50, 51))
    add_run(tmp_path, "detection", "d-smooth", (52, 53))
    add_run(tmp_path, "detection", "d-smooth", None, seed=4, network="resnet50_d", command="python x --seed 4")
    page, _, _ = make(tmp_path)
    (line,) = [row for row in page.rows["table-8"] if "resnet50_d" in row]
    assert "unfinished: seed 4" in line
    assert "unfinished" not in page.row("table-8", "d-mixup")
    assert page.text.count("python x --seed 4") == 1


def test_rows_that_were_not_trained_alike_are_called_so_on_top(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, epochs in (("b-standard", 10), ("d-smooth", 20)):
        add_run(tmp_path, "classification", recipe, (60, 80), settings={"epochs": epochs}, protocol=f"{epochs} px")
    page, text, _ = make(tmp_path)
    assert text.index("NOT ALIKE") < text.index("tables, beside these runs")
    assert "protocol 20 px" in page.row("table-8", "d-smooth")


def test_names_and_commands_cannot_become_markup(tmp_path: Path, add_run: Callable[..., Path]) -> None:
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


def test_the_answer_is_two_sentences(study: Path) -> None:
    page, _, content = make(study, baseline="b-standard")
    start = page.text.index("On detection")
    answer = " ".join(page.text[start : page.text.index("Measured here")].split())
    verdicts = [row["cells"]["voc07_map"]["verdict"] for row in content["rows"]]
    count = sum(verdict is not None and verdict["outcome"] == "reproduced" for verdict in verdicts)
    assert f"of the paper's 3 differences from b-standard, {count} " in answer
    assert len(re.findall(r"\.(?: |$)", answer)) == 2


def test_one_seed_answers_nothing(one_seed: Path) -> None:
    page, _, _ = make(one_seed)
    words = " ".join(page.text.split())
    assert (
        "On detection (mAP 07), with one seed per row nothing can be said of the paper's difference between "
        "d-smooth and b-standard; the best row, d-smooth, is +3.50 points from b-standard, without an interval."
        in words
    )


def test_seeds_that_rows_do_not_share_answer_nothing(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for seed in range(4):
        recipe = "d-smooth" if seed < 2 else "b-standard"
        add_run(tmp_path, "detection", recipe, (40.0 + seed, 41.0), seed)
    page, _, _ = make(tmp_path)
    assert (
        "without two seeds in common nothing can be said of the paper's difference between d-smooth and b-standard; "
        "d-smooth is \u22122.00 points from b-standard, without an interval." in " ".join(page.text.split())
    )


def test_one_difference_is_not_counted(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for seed, noise in enumerate((-0.1, 0.1, 0.0)):
        add_run(tmp_path, "detection", "b-standard", (50.0, 51.0), seed)
        add_run(tmp_path, "detection", "d-smooth", (53.0 + noise, 54.0), seed)
    page, _, _ = make(tmp_path)
    words = " ".join(page.text.split())
    assert (
        "On detection (mAP 07), the paper's difference between d-smooth and b-standard is reproduced; d-smooth is "
        "+3.00 points from b-standard [" in words
    )
    assert "On segmentation (mIoU), there is no finished run." in words


def test_a_baseline_that_no_row_is_above_is_not_called_worse_than_the_best(one_seed: Path) -> None:
    page, _, _ = make(one_seed, baseline="d-smooth")
    words = " ".join(page.text.split())
    assert (
        "; no row is above d-smooth, and the nearest, b-standard, is \u22123.50 points from d-smooth, without" in words
    )
    assert "; the best row, b-standard, is +1.50 points from d-smooth, without" in words  # segmentation


def test_rows_that_the_paper_does_not_have_are_only_measured(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    for recipe, value in (("mine", 50), ("yours", 52)):
        add_run(tmp_path, "detection", recipe, (value, value))
    page, _, _ = make(tmp_path, baseline="mine")
    assert (
        "the paper has no difference from mine that these rows could show; yours is +2.00 points from mine, without "
        "an interval." in " ".join(page.text.split())
    )


def test_public_weights_stand_beside_the_row_that_is_stated_or_beside_none(
    tmp_path: Path, add_run: Callable[..., Path]
) -> None:
    for weights, value in (("torchvision:resnet50.V1", 50), ("timm:resnet50d.gluon", 54), ("timm:resnet50.other", 52)):
        for seed, noise in enumerate((0.0, 0.2, -0.1)):
            values, folder = (value + noise * (1 + value % 3), 51), f"{value}-{seed}"
            add_run(tmp_path, "detection", weights, values, seed, network="resnet50_d", folder=folder)
    beside = {"torchvision:resnet50.V1": "b-standard", "timm:resnet50d.gluon": "d-mixup"}
    comparison = compare_runs(tmp_path, "torchvision:resnet50.V1", counterparts=beside)
    assert [row.name for row in comparison.rows] == [*beside, "timm:resnet50.other"]  # the paper's order
    found = [row.cells["voc07_map"] for row in comparison.rows]
    assert [cell.paper and cell.paper.value for cell in found] == [77.54, 81.10, None]
    assert found[1].verdict.outcome == "reproduced"
    page = Page(write_page(comparison, tmp_path / "report").read_text(encoding="utf-8"))
    mixup, other = (page.row("table-8", name) for name in ("timm:resnet50d.gluon", "timm:resnet50.other"))
    assert "as the paper's d-mixup" in mixup
    assert "81.10" in mixup
    assert "public weights, no row of the paper" in other
    assert sum("d-mixup" in line for line in page.rows["table-8"]) == 1  # and not once more as "not run"
    assert "Public weights: torchvision:resnet50.V1 beside b-standard; timm:resnet50d.gluon beside d-mixup" in page.text
    assert "Public weights without a row of the paper beside them: timm:resnet50.other." in page.text
    assert page.text.count("NOT COMPARED") == 0
    alone = compare_runs(tmp_path, "torchvision:resnet50.V1")
    assert all(row.cells["voc07_map"].paper is None for row in alone.rows)


def test_a_baseline_without_a_finished_run_leaves_differences_and_verdicts_out(study: Path) -> None:
    for folder in study.glob("b-standard-*"):
        (folder / "result.json").unlink()
    page, text, content = make(study)
    assert content["baseline"] == "b-standard"
    assert all(cell["difference"] is None for row in content["rows"] for cell in row["cells"].values())
    words = " ".join(page.text.split())
    reason = "nothing is compared, because the baseline, b-standard, has no finished run."
    assert f"On detection (mAP 07), {reason} On segmentation (mIoU), {reason}" in words
    assert words.count(reason.replace("nothing", "Nothing")) == 3
    assert text.index("NOT COMPARED") < text.index("tables, beside these runs")
    baseline = next(line.split() for line in page.rows["table-8"] if line.split()[0] == "b-standard")
    assert " ".join(baseline).startswith("b-standard baseline \u2013 unfinished: seed 0, 1, 2")
    assert "+1.69" in page.row("table-8", "d-cosine")  # the paper's own difference stays
    assert 'class="verdict' not in text[text.index('id="table-8"') : text.index('id="losses"')]
    assert page.row("losses", "d-smooth")  # these are from d-cosine, which is there


def test_a_baseline_without_a_finished_run_of_one_task_is_said_there(one_seed: Path) -> None:
    (one_seed / "b-standard-resnet18_d-segmentation-0" / "result.json").unlink()
    page, _, _ = make(one_seed)
    words = " ".join(page.text.split())
    assert "nothing can be said of the paper's difference between d-smooth and b-standard" in words
    reason = "nothing is compared, because the baseline, b-standard, has no finished run of it."
    assert f"On segmentation (mIoU), {reason}" in words


def test_classification_alone_makes_a_page(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    add_run(tmp_path, "classification", "b-standard", (60, 80))
    page, _, _ = make(tmp_path)
    assert "On detection (mAP 07), there is no finished run." in page.text
    assert page.text.count("There is no finished run.") == 3  # in place of the bars
    assert "There is no finished transfer" in page.text


def test_commands_and_proof_and_cost(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    proof = {
        "ledger": {
            "source_tensors": 9,
            "mapped": 7,
            "dropped": {"dropped: classifier head": ["a", "b"]},
            "digest": "ab" * 32,
        },
        "features": {"equal": True, "stages": [{}, {}], "dense_output_stride": 8},
    }
    for recipe, value in (("b-standard", 50), ("d-smooth", 52), ("d-mixup", 54)):
        if recipe != "d-mixup":
            add_run(tmp_path, "classification", recipe, (70, 90), timings={"total_seconds": 3600})
        path = add_run(
            tmp_path, "detection", recipe, (value, value), proof=proof, command=f"python x {recipe}",
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
    assert "d-smooth detection 1 2.00 4.00 20.0 25.0 % not read not read 1.500 H200" in lines
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
    tmp_path: Path, add_run: Callable[..., Path], timings: list[dict[str, Any]], words: str
) -> None:
    for seed, each in enumerate(timings):
        add_run(tmp_path, "detection", "b-standard", (50, 51), seed, timings=each)
    page, _, _ = make(tmp_path)
    line = " ".join(page.rows["costs"][1].split())
    assert line == f"b-standard detection 2 not read not read not read not read not read {words} \u2013 not read"


def test_a_damaged_log_or_none_costs_its_curve_only(tmp_path: Path, add_run: Callable[..., Path]) -> None:
    path = add_run(tmp_path, "detection", "b-standard", (50, 51))
    (path / "metrics.jsonl").write_bytes(b"\xff\xfe{]\n")
    page, _, _ = make(tmp_path)
    assert "No run folder holds a metrics.jsonl" in page.text


def test_rows_of_other_code_say_so_and_runs_that_were_resumed_with_other_code_too(
    tmp_path: Path, add_run: Callable[..., Path]
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


def test_a_row_has_its_color_in_every_figure(one_seed: Path) -> None:
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
