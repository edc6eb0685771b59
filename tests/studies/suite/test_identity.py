"""What makes another run, and what does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch, fixture, mark, raises

from backbones.errors import UserError
from backbones.runs.fingerprint import ROOT
from studies.suite.planned_run import PlannedRun
from studies.suite.planning import plan_runs
from studies.suite.reading import read_suite
from tools.run_suite import parse_data, tool_parsers

SUITE = """
seeds: [0]
classification:
  data: {images}
  options: {{epochs: 2, batch-size: 8, image-size: 32, workers: 0}}
segmentation:
  protocol: seg_configs/fcn_os8_demo.py
  data: {labels}
  options: {{cfg-options: [train_cfg.max_iters=2]}}
teachers:
  - {{name: teacher, recipe: d-smooth, network: resnet18_d, seed: 7}}
rows:
  - {{recipe: d-smooth, network: resnet18_d}}
  - {{recipe: d-distill, network: resnet18_d, teacher: teacher}}
  - {{recipe: random, network: resnet18_d}}
"""
Plan = Callable[..., dict[str, PlannedRun]]


@fixture
def plan(tmp_path: Path) -> Plan:
    """Plans a suite on two small folders, with changes of its text."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    for split in ("train", "val"):
        for name in ("a", "b"):
            (images / split / name).mkdir(parents=True)
            (images / split / name / "1.png").write_bytes(b"picture")
    labels.mkdir()
    (labels / "1.png").write_bytes(b"map")

    def make(*changes: tuple[str, str], out: str = "out", processes: int = 1) -> dict[str, PlannedRun]:
        text = SUITE.format(images=images, labels=labels)
        for said, instead in changes:
            assert said in text
            text = text.replace(said, instead)
        (tmp_path / "mine.yaml").write_text(text)
        runs = plan_runs(read_suite(tmp_path / "mine.yaml"), tmp_path / out, tool_parsers(), processes)
        return {run.name: run for run in runs}

    return make


def changed(before: dict[str, PlannedRun], after: dict[str, PlannedRun]) -> set[str]:
    assert set(before) == set(after)
    return {name for name in before if before[name].digest != after[name].digest}


TEACHER, SMOOTH, DISTILL = "teacher seed 7", "d-smooth seed 0", "d-distill seed 0"
CLASSIFIERS = {f"{row} classification" for row in (TEACHER, SMOOTH, DISTILL)}
TRANSFERS = {f"{row} segmentation" for row in (SMOOTH, DISTILL, "random seed 0")}


def test_the_order_and_what_each_run_needs(plan: Plan) -> None:
    runs = plan()
    assert set(runs) == CLASSIFIERS | TRANSFERS
    assert runs[f"{DISTILL} classification"].needs == (f"{TEACHER} classification",)
    assert runs[f"{DISTILL} segmentation"].needs == (f"{DISTILL} classification",)
    assert runs["random seed 0 segmentation"].needs == ()
    names = list(runs)
    for run in runs.values():
        assert all(names.index(need) < names.index(run.name) for need in run.needs)
    assert {name for name, run in runs.items() if not run.compared} == {f"{TEACHER} classification"}


def test_every_run_is_a_command_of_a_tool_with_the_bundle_of_the_run_it_needs(plan: Plan) -> None:
    runs = plan()
    for run in runs.values():
        assert (ROOT / run.command[0]).is_file()
        assert run.command[run.command.index("--out") + 1] == str(run.folder)
        assert run.command[run.command.index("--seed") + 1] == str(run.seed)
        assert "--resume" in run.command
    student, teacher = runs[f"{DISTILL} classification"], runs[f"{TEACHER} classification"]
    assert student.command[student.command.index("--teacher") + 1] == f"{teacher.folder}/backbone.safetensors"
    transfer = runs[f"{DISTILL} segmentation"].command
    assert transfer[transfer.index("--backbone") + 1] == f"{student.folder}/backbone.safetensors"
    assert plan(processes=2)[f"{TEACHER} classification"].command[:5] == (
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    )


@mark.parametrize(
    ("change", "others"),
    [
        (("epochs: 2", "epochs: 3"), CLASSIFIERS | TRANSFERS - {"random seed 0 segmentation"}),
        (("max_iters=2", "max_iters=3"), TRANSFERS),
        (("fcn_os8_demo", "fcn_os8_index_png"), TRANSFERS),
        (("workers: 0", "workers: 2"), set()),  # they change no number
        (
            ("seed: 7}", "seed: 7, options: {lr: 0.1}}"),
            {f"{TEACHER} classification", f"{DISTILL} classification", f"{DISTILL} segmentation"},
        ),
        (("seeds: [0]", "title: another\nseeds: [0]"), set()),
        (("seeds: [0]", "seeds: [0]\nexpected: {d-smooth: {top1: {at-least: 1}}}"), set()),
    ],
)
def test_a_setting_changes_the_runs_it_is_for_and_those_built_on_them(
    plan: Plan, change: tuple[str, str], others: set[str]
) -> None:
    assert changed(plan(), plan(change)) == others
    assert changed(plan(), plan()) == set()


SEVERAL = ("seeds: [0]", "seeds: [0, 2]\ntransfers-per-training: 3")


def test_further_transfers_start_from_the_same_backbone_with_seeds_of_their_own(plan: Plan) -> None:
    runs = plan(SEVERAL)
    first, *others = (runs[f"d-smooth seed 2 segmentation{number}"] for number in ("", " 2", " 3"))
    assert [run.seed for run in (first, *others)] == [2, 1002, 2002]
    assert len(runs) == 1 + 2 * (2 + 3 * 3)
    for number, run in enumerate(others, 2):
        assert run.needs == first.needs == ("d-smooth seed 2 classification",)
        assert run.compared
        assert run.folder.parent == first.folder.parent
        assert run.folder.name == f"seg{number}-{run.digest[:8]}"
        assert run.command[run.command.index("--seed") + 1] == str(run.seed)
        assert run.command[run.command.index("--backbone") + 1] == first.command[first.command.index("--backbone") + 1]
    assert len({run.digest for run in runs.values()}) == len({run.folder for run in runs.values()}) == len(runs)
    assert [runs[f"random seed 2 segmentation{number}"].seed for number in ("", " 2", " 3")] == [2, 1002, 2002]


def test_more_transfers_leave_the_runs_that_are_there(plan: Plan) -> None:
    once, thrice = plan(("seeds: [0]", "seeds: [0, 2]")), plan(SEVERAL)
    assert all(thrice[name] == run for name, run in once.items())
    names = list(thrice)
    assert {name for name in names if name not in once} == {
        f"{row} seed {seed} segmentation {number}"
        for row in ("d-smooth", "d-distill", "random")
        for seed in (0, 2)
        for number in (2, 3)
    }
    assert names.index("random seed 0 segmentation 3") < names.index("d-smooth seed 2 classification")


def test_a_row_may_have_fewer_transfers_than_the_others(plan: Plan) -> None:
    runs = plan(SEVERAL, ("{recipe: random,", "{recipe: random, transfers-per-training: 1,"))
    assert [name for name in runs if name.startswith("random")] == [
        f"random seed {seed} segmentation" for seed in (0, 2)
    ]


def test_weights_from_outside_are_transferred_as_often_as_a_row_that_is_trained(plan: Plan) -> None:
    runs = plan(SEVERAL, ("{recipe: random, network: resnet18_d}", "{name: theirs, from: timm:resnet18d.ra2_in1k}"))
    theirs = {name: run for name, run in runs.items() if run.row == "theirs"}
    seeds = sorted(run.seed for run in theirs.values() if run.kind == "segmentation")
    assert seeds == [0, 2, 1000, 1002, 2000, 2002]
    assert len(theirs) == 7  # and one import


RANDOM_ROW = "{recipe: random, network: resnet18_d}"


def theirs(runs: dict[str, PlannedRun]) -> dict[str, PlannedRun]:
    return {run.kind: run for run in runs.values() if run.row == "theirs"}


def test_a_bundle_and_a_random_network_need_no_import(
    plan: Plan, make_bundle_file: Callable[..., tuple[Path, object]]
) -> None:
    file, _ = make_bundle_file()
    runs = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: {file}}}")))
    assert list(runs) == ["segmentation"]
    assert str(file) in runs["segmentation"].command
    assert runs["segmentation"].facts["network"] == "mobilenet_v1_025"
    other, _ = make_bundle_file("other.safetensors", seed=8)
    again = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: {other}}}")))
    assert again["segmentation"].digest != runs["segmentation"].digest
    file.rename(file.parent / "moved.safetensors")  # known by its content
    moved = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: {file.parent / 'moved.safetensors'}}}")))
    assert moved["segmentation"].digest == runs["segmentation"].digest
    drawn = theirs(plan((RANDOM_ROW, "{name: theirs, from: random:resnet18_d}")))
    assert "random:resnet18_d" in drawn["segmentation"].command
    assert drawn["segmentation"].digest == plan()["random seed 0 segmentation"].digest


def test_a_local_checkpoint_is_imported_by_one_word(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(b"tensors")
    one = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: timm:resnet18d.ra2_in1k@{tmp_path}/file.pth#ema}}")))
    section = f"{{source: timm:resnet18d.ra2_in1k, checkpoint: {tmp_path}/file.pth, key: ema}}"
    other = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: {section}}}")))
    assert one["import"].command == other["import"].command
    assert one["segmentation"].digest == other["segmentation"].digest
    stated = theirs(plan((RANDOM_ROW, f"{{name: theirs, from: {section[:-1]}, top1: 72.3}}}}")))
    assert ("--top1", "72.3") in list(itertools.pairwise(stated["import"].command))
    assert stated["segmentation"].digest != one["segmentation"].digest
    assert one["import"].command[-2:-6:-1] == ("--out", "ema", "--key", str(tmp_path / "file.pth"))


@mark.parametrize(
    ("said", "message"),
    [
        ("nothing", "from.source: from .*nothing: there is no such run folder or bundle; taken are a bundle,"),
        ("timm:nothing", "from.source: timm:nothing: unknown network .timm:nothing.: timm [0-9.]+ has none of that"),
        ("random:nothing", "from.source: from random:nothing: unknown network"),
        ("{source: random:resnet18_d, key: a}", "from.key: is for weights that are imported"),
        ("{source: 'timm:resnet18d@a.pth', key: a}", "from.key: stands after the @ of source already"),
    ],
)
def test_a_source_that_is_none_is_a_mistake(plan: Plan, said: str, message: str) -> None:
    with raises(UserError, match=message):
        plan((RANDOM_ROW, f"{{name: theirs, from: {said}}}"))


def test_public_weights_teach_without_a_download(plan: Plan) -> None:
    taught = plan(("teacher: teacher}", "teacher: timm:resnet18d.ra2_in1k}"))["d-distill seed 0 classification"]
    assert taught.command[taught.command.index("--teacher") + 1] == "timm:resnet18d.ra2_in1k"
    assert taught.needs == ()
    other = plan(("teacher: teacher}", "teacher: timm:resnet34d.ra2_in1k}"))["d-distill seed 0 classification"]
    assert taught.digest != other.digest


def test_transfers_that_would_have_the_same_seed_are_refused(plan: Plan) -> None:
    with raises(
        UserError, match=r"mine\.yaml: d-smooth has the seeds 0 and 2000 .* transfer 3 of the one and"
    ) as caught:
        plan(("seeds: [0]", "seeds: [0, 2000]\ntransfers-per-training: 3"))
    assert "would both have the seed 2000" in str(caught.value)
    assert plan(("seeds: [0]", "seeds: [0, 2000]\ntransfers-per-training: 2"))


def test_other_data_are_other_runs_and_another_folder_for_results_is_not(plan: Plan, tmp_path: Path) -> None:
    before = plan()
    assert changed(before, plan(out="elsewhere")) == set()
    assert changed(before, plan(processes=2)) == set(before)
    (tmp_path / "labels" / "2.png").write_bytes(b"more")
    from studies.suite import data

    assert changed(before, plan()) == set()  # asked for once per process
    data._files_fingerprint.cache_clear()
    assert changed(before, plan()) == TRANSFERS


@mark.parametrize(
    ("change", "message"),
    [
        (("epochs: 2", "epochs: none"), r"options of teacher: argument --epochs: 'none' is not a whole number"),
        (
            ("epochs: 2", "epoch: 2"),
            r"options of teacher\.epoch: there is no such option .*; did you mean epochs",
        ),
        (("epochs: 2", "seed: 2"), r"options of teacher\.seed: the suite gives it to each run itself"),
        (("epochs: 2", "epochs: false"), r"options of teacher\.epochs is False where a word"),
        (("fcn_os8_demo", "fcn_os8_dem"), r"segmentation\.protocol: seg_configs/fcn_os8_dem\.py is no file"),
        (
            ("teacher: teacher", "teacher: ./none"),
            r"teacher of d-distill .*none: there is no such run folder or bundle",
        ),
    ],
)
def test_options_that_a_tool_would_refuse_are_refused_before_anything_runs(
    plan: Plan, change: tuple[str, str], message: str
) -> None:
    with raises(UserError, match=message) as caught:
        plan(change)
    assert "mine.yaml: " in str(caught.value)


def test_a_file_that_an_option_names_counts_by_its_content(
    plan: Plan, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    """The same path with other content is another run; it is looked for where the command is given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("one")
    (tmp_path / "start.safetensors").write_bytes(b"one")
    changes = (
        ("epochs: 2,", "epochs: 2, init-from: start.safetensors,"),
        ("options: {cfg", "options: {classes: names.txt, cfg"),
    )
    before = plan(*changes)
    words = before["random seed 0 segmentation"].command
    assert words[words.index("--classes") + 1] == str(tmp_path / "names.txt")
    assert changed(before, plan(*changes)) == set()
    (tmp_path / "names.txt").write_text("two")
    assert changed(before, plan(*changes)) == TRANSFERS
    (tmp_path / "start.safetensors").write_bytes(b"two")
    assert changed(before, plan(*changes)) == TRANSFERS | CLASSIFIERS
    (tmp_path / "names.txt").unlink()
    with raises(UserError, match=r"segmentation\.options\.classes .*names\.txt: there is no such file"):
        plan(*changes)


def test_a_tilde_is_the_home_folder(plan: Plan, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    before = plan()
    monkeypatch.setenv("HOME", str(tmp_path))
    after = plan((str(tmp_path / "images"), "~/images"))
    assert changed(before, after) == set()
    assert str(tmp_path / "images") in after[f"{SMOOTH} classification"].command
    assert parse_data(["detection=~/voc"]) == {"detection": tmp_path / "voc"}


def test_the_plan_reckons_with_the_images_that_are_there(plan: Plan, tmp_path: Path) -> None:
    said = (f"data: {tmp_path / 'images'}", f"data: {tmp_path / 'images'}\n  train-images: 1000")
    assert plan(said)[f"{SMOOTH} classification"].facts["images"] == 2
    elsewhere = (f"data: {tmp_path / 'images'}", f"data: {tmp_path / 'gone'}\n  train-images: 1000")
    assert plan(elsewhere)[f"{SMOOTH} classification"].facts["images"] == 1000


def test_commands_do_not_say_where_the_project_lies(plan: Plan, tmp_path: Path) -> None:
    inside = plan(out=str(ROOT / "runs" / "mine"))["d-smooth seed 0 segmentation"].command
    assert inside[inside.index("--backbone") + 1].startswith("runs/mine/runs/d-smooth-seed0/cls-")
    assert inside[inside.index("--out") + 1].startswith("runs/mine/runs/d-smooth-seed0/seg-")
    assert inside[inside.index("--data") + 1] == str(tmp_path / "labels")


PLUGIN = "from backbones.tricks.trick import Trick\nTRICKS = {'mine': Trick()}\n"


@mark.usefixtures("own_registries")
def test_the_content_of_a_plugin_makes_the_run_and_not_its_path(
    plan: Plan, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    found = []
    for folder, text in (("a", PLUGIN), ("b", PLUGIN), ("c", PLUGIN.replace("mine", "other"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(text)
        monkeypatch.chdir(tmp_path / folder)
        found.append(plan(("epochs: 2", "epochs: 2, plugin: mine.py")))
    assert changed(found[0], found[1]) == set()
    assert changed(found[0], found[2]) == CLASSIFIERS | {f"{row} segmentation" for row in (SMOOTH, DISTILL)}
    assert changed(found[0], plan()) == CLASSIFIERS | {f"{row} segmentation" for row in (SMOOTH, DISTILL)}
    command = found[2][f"{SMOOTH} classification"].command
    assert command[command.index("--plugin") + 1] == str(tmp_path / "c" / "mine.py")


@mark.usefixtures("own_registries")
def test_a_plugin_that_cannot_be_used_is_told_with_its_place(plan: Plan, tmp_path: Path) -> None:
    for said, message in (("nowhere.py", "cannot read it"), ("3", "options.plugin is 3 where the path of a file")):
        with raises(UserError, match=message) as refused:
            plan(("epochs: 2", f"epochs: 2, plugin: {said}"))
        assert str(refused.value).startswith(f"{tmp_path / 'mine.yaml'}: classification.options")
        with raises(UserError, match=message):
            plan(("network: resnet18_d, seed: 7", f"network: resnet18_d, seed: 7, options: {{plugin: {said}}}"))


def test_the_content_of_a_recipe_file_makes_the_run(plan: Plan, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    found = []
    row = "rows:\n  - {recipe: d-smooth, network: resnet18_d}"
    for folder, text in (("a", "mixup: 0.1"), ("b", "mixup: 0.1  # the same"), ("c", "mixup: 0.3")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own.yaml").write_text(f"name: own\nbase: d-smooth\n{text}\n")
        monkeypatch.chdir(tmp_path / folder)
        found.append(plan((row, f"{row}\n  - {{recipe: own.yaml, network: resnet18_d}}")))
    own = {"own seed 0 classification", "own seed 0 segmentation"}
    assert changed(found[0], found[1]) == set()
    assert changed(found[0], found[2]) == own
    assert set(found[0]) - set(plan()) == own
    command = found[0]["own seed 0 classification"].command
    assert command[command.index("--recipe") + 1] == str(tmp_path / "a" / "own.yaml")
