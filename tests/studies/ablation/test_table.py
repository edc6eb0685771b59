"""The table of an ablation, from result files made up here."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pytest import approx, fixture, raises

from backbones.errors import UserError
from studies.ablation.files import as_csv, as_markdown, write_table
from studies.ablation.rows import Ablation, AblationRow, cumulative_rows, leave_one_out_rows, preset_rows
from studies.ablation.table import ablation_table

T_975 = {1: 12.706, 2: 4.303}  # from a printed table, by degrees of freedom


@fixture
def make(tmp_path: Path) -> Callable[..., Ablation]:
    """An ablation whose runs have the top-1 given by row and seed; None: the run is not finished."""

    def make(
        rows: tuple[AblationRow, ...], top1: list[list[float | None]], network: str = "resnet50_a", **settings: Any
    ) -> Ablation:
        ablation = Ablation(rows, tuple(range(len(top1[0]))), network, Path("images"), tmp_path / "out")
        for row, values in zip(rows, top1, strict=True):
            for seed, value in enumerate(values):
                folder = ablation.folder(row, seed)
                folder.mkdir(parents=True)
                run = {"task": "classification", "recipe": row.settled.name, "network": network, "seed": seed}
                run |= {"data": {"fingerprint": "f"}, "settings": {"epochs": 5, "batch_size": 8, **settings}}
                (folder / "run.json").write_text(json.dumps(run))
                if value is not None:
                    result = {**run, "metrics": {"top1": value, "top5": 99.0}}
                    (folder / "result.json").write_text(json.dumps(result))
        return ablation

    return make


def half_width(values: list[float]) -> float:
    return T_975[len(values) - 1] * stdev(values) / math.sqrt(len(values))


def test_means_and_differences_paired_by_seed(make: Callable[..., Ablation]) -> None:
    first, second, third = [70.0, 74.0, 72.0], [71.0, 75.5, 73.0], [72.0, 75.0, 71.0]
    table = ablation_table(make(cumulative_rows("b-standard", ["warmup", "cosine"]), [first, second, third]), {})
    for row, values, above in zip(table.rows, (first, second, third), (None, first, second), strict=True):
        assert row.mean == approx(fmean(values))
        assert row.interval[1] - row.mean == approx(half_width(values), rel=1e-3)
        if above is None:
            assert row.difference is None
            continue
        steps = [after - before for after, before in zip(values, above, strict=True)]
        assert row.difference.value == approx(fmean(steps))
        assert row.difference.interval[1] - row.difference.value == approx(half_width(steps), rel=1e-3)
        # Seeds move both rows together: were they not paired, the interval would be far wider.
        assert half_width(steps) < half_width(values)
    text = as_markdown(table)
    assert "| + warmup   |  71.00 |  75.50 |  73.00 | 73.17 ± 5.60 |  3 | +1.17 ± 0.72 |" in text
    assert "Δ: difference from the row above, in points, paired by seed" in text
    assert "95 % Student-t" in text


def test_leaving_out_is_compared_with_all(make: Callable[..., Ablation]) -> None:
    rows = leave_one_out_rows("d-smooth", ["cosine", "label-smoothing"])
    table = ablation_table(make(rows, [[75.0, 76.0], [74.0, 76.0], [73.0, 75.5]], network="resnet50_d"), {})
    assert [row.difference and row.difference.value for row in table.rows] == [None, -0.5, -1.25]
    assert 'Δ: difference from the row "all"' in as_markdown(table)
    # d-smooth without label smoothing is d-cosine; without cosine, the paper has no such row.
    assert [row.paper for row in table.rows] == [78.31, None, 77.91]
    assert table.rows[2].paper_difference == approx(77.91 - 78.31)


def test_one_seed_has_no_interval(make: Callable[..., Ablation]) -> None:
    table = ablation_table(make(cumulative_rows("b-standard", ["cosine"]), [[70.0], [71.0]]), {})
    assert [row.interval for row in table.rows] == [None, None]
    assert table.rows[1].difference.value == 1.0
    assert table.rows[1].difference.interval is None
    text = as_markdown(table)
    assert "one seed: no interval" in text
    assert "±" not in text


def test_missing_runs_are_marked_and_differences_use_the_common_seeds(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["warmup", "cosine"])
    ablation = make(rows, [[70.0, 74.0, 72.0], [71.0, None, 75.0], [None, None, 73.0]])
    run = ablation.folder(rows[2], 0) / "run.json"
    run.unlink()
    table = ablation_table(ablation, {("+ warmup", 1): "RuntimeError: no | memory: at all"})
    assert table.rows[1].difference.value == approx(2.0)  # (71 - 70 + 75 - 72) / 2, not 73 - 72
    assert table.rows[1].missing == {1: "failed: RuntimeError: no | memory: at all"}
    assert table.rows[2].missing == {0: "not run yet", 1: "unfinished"}
    assert table.rows[2].difference.pairs == 1
    text = as_markdown(table)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    assert lines[3][:4] == ["+ warmup", "71.00", "failed", "75.00"]
    assert lines[4][:4] == ["+ cosine", "not run yet", "unfinished", "73.00"]
    assert "- + warmup, seed 1: failed: RuntimeError: no | memory: at all" in text


def test_rows_without_a_seed_in_common_are_not_compared(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["cosine"])
    assert ablation_table(make(rows, [[70.0, None], [None, 90.0]]), {}).rows[1].difference is None


def test_no_finished_run_is_a_table_too(make: Callable[..., Ablation], tmp_path: Path) -> None:
    ablation = make(cumulative_rows("b-standard", ["cosine"]), [[None], [None]])
    table = ablation_table(ablation, {})
    assert [row.mean for row in table.rows] == [None, None]
    write_table(table, ablation.out)
    assert len(list(csv.DictReader(io.StringIO(as_csv(table))))) == 2


def test_table_4_beside_runs_on_its_network(make: Callable[..., Ablation]) -> None:
    rows = preset_rows("table4-1024", "resnet50_a")
    table = ablation_table(make(rows, [[75.0]] * 5, network="resnet50_a"), {})
    assert [row.paper for row in table.rows] == [75.17, 75.93, 76.37, 76.03, 76.21]
    steps = [row.paper_difference for row in table.rows]
    assert steps[0] is None
    assert steps[1:] == approx([0.76, 0.44, -0.34, 0.18])
    assert table.paper_network == "resnet50_a"
    assert "paper: Table" in as_markdown(table)
    assert "orientation" not in as_markdown(table)


def test_the_same_rows_by_tricks_find_the_same_numbers(make: Callable[..., Ablation]) -> None:
    tricks = ["linear-scaling", "warmup", "zero-gamma", "no-bias-decay", "low-precision", "cosine"]
    table = ablation_table(make(cumulative_rows("b-standard", tricks), [[75.0]] * 7), {})
    assert [row.paper for row in table.rows] == [75.87, 75.87, 76.03, 76.19, 76.16, 76.15, None]


def test_table_6_rows_after_smoothing_start_from_smoothing(make: Callable[..., Ablation]) -> None:
    rows = preset_rows("table6", "mobilenet_v1")
    table = ablation_table(make(rows, [[70.0], [71.0], [72.0], [72.5], [73.0], [73.5]], network="mobilenet_v1"), {})
    assert [row.paper for row in table.rows] == [71.90, 72.83, 72.93, 71.97, 73.28, 72.51]
    assert [row.paper_difference for row in table.rows[1:]] == approx([0.93, 0.10, -0.96, 0.35, -0.42])
    assert [row.difference.value for row in table.rows[1:]] == [1.0, 1.0, 0.5, 1.0, 1.5]
    assert 'of mixup, distill-mixup from the row "smooth"' in as_markdown(table)


def test_another_networks_numbers_say_whose_they_are(make: Callable[..., Ablation]) -> None:
    table = ablation_table(make(preset_rows("table6", "resnet18_d"), [[70.0]] * 6, network="resnet18_d"), {})
    text = as_markdown(table)
    assert "paper (resnet50_d)" in text.splitlines()[2]
    assert "not the network of these runs (resnet18_d)" in text
    small = ablation_table(make(cumulative_rows("efficient", ["cosine"]), [[60.0]] * 2, network="mobilenet_v1_025"), {})
    assert small.paper_network == "mobilenet_v1"


def test_rows_the_paper_does_not_have(make: Callable[..., Ablation]) -> None:
    table = ablation_table(make(cumulative_rows("d-smooth", ["mixup"]), [[70.0]] * 2, network="resnet50_d"), {})
    # The paper trains mixup for 200 epochs, so d-smooth with mixup, 120 epochs, is not its row.
    assert [row.paper for row in table.rows] == [78.31, None]
    other = ablation_table(make(leave_one_out_rows("b-standard", ["mixup", "cosine"]), [[70.0]] * 3), {})
    assert other.paper_network is None
    assert "Tables 2 to 6 have none of these rows" in as_markdown(other)


def test_what_else_tells_rows_apart_is_said(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["cosine"])
    ablation = make(rows, [[70.0], [71.0]], precision="bf16")
    assert "NOT ALIKE" not in as_markdown(ablation_table(ablation, {}))
    path = ablation.folder(rows[1], 0) / "result.json"
    path.write_text(path.read_text().replace("bf16", "fp32"))
    assert "NOT ALIKE, classification: precision bf16 (b-standard), fp32 (+ cosine)" in as_markdown(
        ablation_table(ablation, {})
    )


def test_a_precision_that_is_the_trick_is_not_held_against_its_row(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["low-precision"])
    ablation = make(rows, [[70.0], [71.0]], precision="fp32")
    path = ablation.folder(rows[1], 0) / "result.json"
    path.write_text(path.read_text().replace("fp32", "bf16"))
    assert "NOT ALIKE" not in as_markdown(ablation_table(ablation, {}))


def test_other_runs_in_the_folder_are_left_out(make: Callable[..., Ablation]) -> None:
    make(leave_one_out_rows("d-smooth", ["cosine"]), [[10.0], [20.0]])
    table = ablation_table(make(cumulative_rows("b-standard", ["cosine"]), [[70.0], [71.0]]), {})
    assert [row.mean for row in table.rows] == [70.0, 71.0]


def test_runs_on_other_data_are_refused(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["cosine"])
    ablation = make(rows, [[70.0], [71.0]])
    path = ablation.folder(rows[1], 0) / "result.json"
    path.write_text(path.read_text().replace('"f"', '"g"'))
    with raises(UserError, match="data differ"):
        ablation_table(ablation, {})


def test_all_files_say_the_same(make: Callable[..., Ablation]) -> None:
    rows = cumulative_rows("b-standard", ["linear-scaling", "warmup"])
    ablation = make(rows, [[70.0, 71.0], [71.0, 73.5], [72.0, None]])
    table = ablation_table(ablation, {})
    assert write_table(table, ablation.out) == ablation.out / "ablation.md"
    whole = json.loads((ablation.out / "ablation.json").read_text())
    with open(ablation.out / "ablation.csv", newline="") as stream:
        records = list(csv.DictReader(stream))
    assert len(records) == len(whole["rows"]) == 3
    for record, row in zip(records, whole["rows"], strict=True):
        assert float(record["mean"]) == row["mean"]
        assert record["seeds"].split() == list(row["values"])
        assert record["missing"].split() == list(row["missing"])
        assert (float(record["difference"]) if record["difference"] else None) == (
            row["difference"] and row["difference"]["value"]
        )
        assert float(record["paper"]) == row["paper"]
    assert not list(ablation.out.glob(".*"))
