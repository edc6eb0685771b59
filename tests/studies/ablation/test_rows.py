"""Which rows an ablation has, and what trains each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pytest import CaptureFixture, MonkeyPatch, mark, raises

from backbones.errors import UserError
from backbones.recipes.paper import table_rows
from backbones.recipes.switches import is_on
from backbones.tricks import TRICKS
from studies.ablation.execution import train_all
from studies.ablation.presets import PRESETS
from studies.ablation.rows import (
    Ablation,
    AblationRow,
    check_rows,
    cumulative_rows,
    leave_one_out_rows,
    preset_rows,
    run_folder,
)
from tools.train_cls import build_parser

OTHERS = [name for name in TRICKS if name != "low-precision"]


def tricks_of(row: AblationRow) -> set[str]:
    return {name for name in TRICKS if is_on(row.settled, name)}


@given(st.permutations(list(TRICKS)), st.integers(1, len(TRICKS)))
def test_each_cumulative_row_adds_its_trick_and_nothing_else(order: list[str], count: int) -> None:
    rows = cumulative_rows("b-standard", order[:count])
    assert tricks_of(rows[0]) == set()
    for (above, row), name in zip(pairwise(rows), order[:count], strict=True):
        assert tricks_of(row) == tricks_of(above) | {name}
        assert row.reference == above.label
    assert len(rows) == count + 1


@mark.parametrize("base", ["b-standard", "d-efficient", "d-smooth", "d-distill-mixup", "batch256-fp16"])
@given(data=st.data())
def test_each_row_left_out_lacks_its_trick_and_nothing_else(base: str, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(list(TRICKS)), min_size=1, unique=True))
    full, *rows = leave_one_out_rows(base, chosen)
    for row, name in zip(rows, chosen, strict=True):
        assert tricks_of(full) - tricks_of(row) == {name}
        assert tricks_of(row) <= tricks_of(full)
        assert row.reference == full.label


def test_leaving_out_takes_by_default_what_the_recipe_has() -> None:
    rows = leave_one_out_rows("d-smooth")
    assert [row.label for row in rows[1:]] == [
        *("without linear-scaling", "without warmup", "without zero-gamma", "without no-bias-decay"),
        *("without cosine", "without label-smoothing"),
    ]
    with raises(UserError, match="b-standard has no trick to leave out"):
        leave_one_out_rows("b-standard")


def test_where_low_precision_is_studied_no_row_leaves_the_precision_to_the_machine() -> None:
    for rows in (
        cumulative_rows("b-standard", ["warmup", "low-precision", "cosine"]),
        leave_one_out_rows("d-smooth", ["low-precision", "cosine"]),
    ):
        assert {row.settled.low_precision for row in rows} == {True, False}
    assert {row.settled.low_precision for row in cumulative_rows("b-standard", ["warmup"])} == {None}


def test_values_other_than_the_papers() -> None:
    assert [row.settled.label_smoothing for row in cumulative_rows("b-standard", ["label-smoothing=0.2"])] == [0, 0.2]
    assert [row.settled.label_smoothing for row in leave_one_out_rows("d-smooth", ["label-smoothing=0.2"])] == [0.2, 0]


def test_a_label_says_which_value() -> None:
    tricks = ["label-smoothing=0.2", "mixup"]
    assert [row.label for row in cumulative_rows("b-standard", tricks)[1:]] == ["+ label-smoothing=0.2", "+ mixup"]
    labels = [row.label for row in leave_one_out_rows("b-standard", tricks)[1:]]
    assert labels == ["without label-smoothing=0.2", "without mixup"]


@mark.parametrize(
    ("tricks", "message"),
    [
        ([], "needs --tricks"),
        (["cosin"], "--tricks cosin: no such trick; there are linear-scaling"),
        (["cosine", "cosine"], "named more than once"),
        (["warmup"], "d-efficient has it already"),
        (["label-smoothing=2"], "below 1"),
    ],
)
def test_bad_tricks(tricks: list[str], message: str) -> None:
    with raises(UserError, match=message):
        [row.settled for row in cumulative_rows("d-efficient", tricks)]


@mark.parametrize("preset", PRESETS)
@mark.parametrize("network", ["resnet18_d", "mobilenet_v1", "inception_v3"])
def test_presets_are_the_rows_of_the_papers_tables(preset: str, network: str) -> None:
    rows = preset_rows(preset, network)
    if preset.startswith("table4"):
        printed = [row["recipes"][f"batch{preset.removeprefix('table4-')}_top1"] for row in table_rows(4)]
        assert [row.recipe for row in rows] == printed
        assert [row.reference for row in rows] == [None, *printed[:-1]]
        return
    kind = "resnet50_d" if network == "resnet18_d" else network
    everything = [row["recipe"] for row in table_rows(6) if row["network"] == kind]
    assert [row.recipe for row in rows] == [name for name in everything if preset == "table6" or "distill" not in name]
    smooth = everything[2]
    assert [row.reference for row in rows] == [None, *everything[:2], *[smooth] * (len(rows) - 3)]
    check_rows(rows, network, Path("random:resnet18_d") if preset == "table6" else None)


def test_names_in_the_file_system_tell_all_rows_apart(tmp_path: Path) -> None:
    both = (*cumulative_rows("b-standard", OTHERS), *leave_one_out_rows("b-standard", OTHERS))
    names = {run_folder(tmp_path, row.settled.name, 0).name: row.settled for row in both}
    # The last cumulative row is the full one: one training, not two.
    assert len(names) == len(both) - len([pair for pair in combinations(both, 2) if pair[0].settled == pair[1].settled])
    assert all("/" not in name and " " not in name and len(name) < 200 for name in names)


@mark.parametrize(
    ("rows", "network", "teacher", "message"),
    [
        (leave_one_out_rows("d-smooth"), "mobilenet_v1", None, r"zero gamma .* mobilenet_v1 has none.*row 'all'"),
        (cumulative_rows("efficient", ["zero-gamma"]), "inception_v3", None, r"inception_v3 has none.*'\+ zero-gamma'"),
        (preset_rows("table4-256", "mobilenet_v1"), "mobilenet_v1", None, "batch256-zero-gamma"),
        (preset_rows("table6", "resnet18_d"), "resnet18_d", None, r"\(d-distill, d-distill-mixup\) need --teacher"),
        (cumulative_rows("b-standard", ["cosine"]), "resnet18_d", Path("/"), "no row distils"),
        (
            preset_rows("table6", "resnet18_d"),
            "resnet18_d",
            Path("/no/where"),
            "--teacher /no/where: there is no such run folder or bundle; taken are",
        ),
        (cumulative_rows("b-standard", ["cosine"]), "resnet19_d", None, "unknown network 'resnet19_d'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    rows: tuple[AblationRow, ...], network: str, teacher: Path | None, message: str
) -> None:
    with raises(UserError, match=message):
        check_rows(rows, network, teacher)


def parse(words: Sequence[str]) -> Mapping[str, Any]:
    return vars(build_parser().parse_args(words))


def test_a_command_asks_train_cls_for_its_row(tmp_path: Path) -> None:
    ablation = Ablation(
        rows=preset_rows("table6", "resnet18_d"),
        seeds=(0, 3),
        network="resnet18_d",
        data=Path("some images"),
        out=tmp_path,
        teacher=Path("teacher"),
        options=("--epochs", "2"),
    )
    assert [(row.label, seed) for row, seed in ablation.runs()][5:7] == [("d-distill-mixup", 0), ("d-efficient", 3)]
    for row, seed in ablation.runs():
        asked = parse(ablation.command(row, seed)[1:])
        assert (asked["recipe"], asked["seed"], asked["epochs"], asked["resume"]) == (row.recipe, seed, 2, True)
        assert (asked["data"], asked["out"]) == (Path("some images"), ablation.folder(row, seed))
        # A run that does not distil refuses a teacher.
        assert asked["teacher"] == (Path("teacher") if row.settled.distillation else None)
    row = AblationRow("x", "d-smooth", ("mixup=0.4", "warmup=3"), ("cosine",))
    asked = parse(ablation.command(row, 0)[1:])
    assert (asked["switched_on"], asked["switched_off"]) == (["mixup=0.4", "warmup=3"], ["cosine"])


# In place of tools/train_cls.py: its outcome is in its options.
TRAINER = """
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
if "mixup" in sys.argv:
    sys.exit("Traceback (most recent call last):\\nRuntimeError: no memory\\n\\n")
if "warmup" in sys.argv:
    sys.exit(3)
print("a warning", file=sys.stderr)
out.mkdir(parents=True, exist_ok=True)
(out / "result.json").write_text("{}")
"""


def test_what_is_finished_is_skipped_and_what_fails_does_not_stop_the_rest(
    tmp_path: Path, monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    trainer = tmp_path / "trainer.py"
    trainer.write_text(TRAINER)
    monkeypatch.setattr("studies.ablation.rows.TRAINER", trainer)
    rows = leave_one_out_rows("b-standard", ["mixup", "warmup"])
    ablation = Ablation(rows, (0, 1), "resnet18_d", Path("x"), tmp_path / "out")
    monkeypatch.setattr(Ablation, "folder", lambda self, row, seed: tmp_path / "out" / f"{row.label} {seed}")
    reports: list[dict[tuple[str, int], str]] = []
    silent = "ended with exit code 3 and said nothing"

    failures = train_all(ablation, lambda failed: reports.append(dict(failed)))
    assert failures == {
        **{(label, seed): "RuntimeError: no memory" for label in ("all", "without warmup") for seed in (0, 1)},
        **{("without mixup", seed): silent for seed in (0, 1)},
    }
    assert [len(report) for report in reports] == list(range(7))  # a table at the start, and after each run
    assert "FAILED: all, seed 0: RuntimeError: no memory" in capsys.readouterr().err

    for row in rows[:2]:
        folder = ablation.folder(row, 1)
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
    monkeypatch.setattr(
        Ablation, "command", lambda self, row, seed: [str(trainer), "--out", str(self.folder(row, seed))]
    )
    assert train_all(ablation, lambda failed: None) == {}
    shown = capsys.readouterr()
    assert "6 runs, 2 of them finished already" in shown.out
    assert shown.err.count("a warning") == 4
