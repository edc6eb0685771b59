"""Any protocol of detection trains on any format of boxes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from written_scenes import CLASSES, coco

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.shapes import OBJECT_CLASSES, make_shapes
from backbones.errors import UserError
from transfer.data.scenes.scene import Box, Scene
from transfer.openmmlab import ops_bridge
from transfer.protocol.identity import config_hash
from transfer.protocol.load import load_config
from transfer.python import read_detections
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.task import draw_fraction, innermost_datasets, set_data_root

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "det_configs/faster_rcnn_fpn_demo.py")
SMALL = (
    *("train_cfg.max_epochs=1", "train_dataloader.dataset.pipeline.2.scale=(64,64)"),
    "test_dataloader.dataset.pipeline.1.scale=(64,64)",
)


@pytest.fixture(autouse=True, scope="module")
def bridge() -> None:
    ops_bridge.install()
    importlib.import_module("mmdet.datasets.transforms")  # registers what a pipeline names


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    box = Box(1, 2, 30, 40, "cat")
    train = [Scene(f"t{number}", (50, 44), (box, box._replace(name="dog", ignored=True)), "") for number in range(4)]
    coco(tmp_path / "data", {"train": train, "val": [train[0]._replace(image="v0")]})
    return tmp_path / "data"


def test_a_protocol_of_vocs_trains_on_coco(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    run_transfer(
        DETECTION,
        TransferOptions(
            DEMO, "random:resnet18_d", str(out), str(root), total_batch=2, workers=0, fraction=0.5, cfg_options=SMALL
        ),
    )
    assert f"note: {root} is COCO's JSON; trains on its part train, measures on val" in capsys.readouterr().out
    asked = json.loads((out / "run.json").read_text())
    assert asked["data"]["layout"] == "COCO's JSON"
    assert (asked["data"]["train_images"], asked["data"]["test_images"], asked["classes"]) == (2, 1, 3)
    assert asked["data"]["fraction"] == 0.5
    result = json.loads((out / "result.json").read_text())
    assert set(result["per_class"]) == {"cat"}  # the dog does not count, and there is no bird
    evaluation = read_detections(out)
    assert evaluation.names == ("val2017/batch0/v0.png",)
    (image,) = evaluation.images
    assert image.boxes.tolist() == [[1, 2, 30, 40]] * 2
    assert image.difficult.tolist() == [False, True]


def adopted(protocol: str, root: Path) -> list[tuple[str, str, str]]:
    config = load_config(str(ROOT / "det_configs" / protocol), ())
    set_data_root(config, root)
    assert DETECTION.adopt(config, None) is not None
    return [(name, dataset.type, dataset.get("split")) for name, dataset in innermost_datasets(config)]


@pytest.mark.parametrize("path", sorted((ROOT / "det_configs").glob("*.py")), ids=lambda path: path.stem)
def test_every_protocol_reads_each_image_once_where_it_read_two_years(path: Path, root: Path) -> None:
    found = [each for each in adopted(path.name, root) if each[0] != "val"]
    assert found == [("train", "SceneDataset", "train"), ("test", "SceneDataset", "val")]


def test_the_protocol_of_coco_reads_a_devkit_too(tmp_path: Path) -> None:
    """The same boxes as mmdetection's own reader gives of it."""
    data = make_shapes(tmp_path / "shapes", images=8, size=48, layouts=("detection",)) / "VOCdevkit"
    instances = []
    for protocol in ("faster_rcnn_fpn_coco.py", "faster_rcnn_fpn_voc07.py"):
        config = load_config(str(ROOT / "det_configs" / protocol), ())
        set_data_root(config, data)
        DETECTION.adopt(config, None)
        DETECTION.set_classes(config, OBJECT_CLASSES)
        dataset = config.test_dataloader.dataset
        built = DATASETS.build({**dataset, "lazy_init": True})
        instances.append([(each["instances"], each["width"], each["height"]) for each in built.load_data_list()])
    assert instances[0] == instances[1]
    assert len(instances[0]) > 0


def test_a_devkit_is_read_as_ever(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "shapes", images=6, size=32, layouts=("detection",))
    config = load_config(DEMO, ())
    set_data_root(config, data / "VOCdevkit")
    before = config.pretty_text
    assert DETECTION.adopt(config, None) is None
    assert config.pretty_text == before


def test_a_test_part_is_measured_on_where_there_is_no_other(root: Path) -> None:
    annotations = root / "annotations"
    (annotations / "instances_val2017.json").rename(annotations / "instances_test2017.json")
    (root / "val2017").rename(root / "test2017")
    assert ("test", "SceneDataset", "test") in adopted("faster_rcnn_fpn_voc07.py", root)


def test_shared_images_are_refused_here_too(root: Path, tmp_path: Path) -> None:
    image = (root / "train2017" / "batch0" / "t0.png").read_bytes()
    (root / "val2017" / "batch0" / "v0.png").write_bytes(image)
    options = TransferOptions(DEMO, "random:resnet18_d", str(tmp_path / "run"), str(root), cfg_options=SMALL)
    with pytest.raises(UserError, match="is an image of the training set, too"):
        run_transfer(DETECTION, options)
    assert not (tmp_path / "run").exists()


def test_the_data_name_their_classes_unless_somebody_else_does(root: Path) -> None:
    config = load_config(DEMO, ())
    set_data_root(config, root)
    names = DETECTION.adopt(config, None)
    assert names is not None
    assert names() == CLASSES


def built(config: Config) -> tuple[list[str], list[str]]:
    """Names of the training and the test images."""
    DETECTION.set_classes(config, CLASSES)
    names = []
    for loader in (config.train_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        names.append([Path(dataset.get_data_info(place)["img_path"]).stem for place in range(len(dataset))])
    return names[0], names[1]


def test_a_part_is_held_out_and_recorded(root: Path, tmp_path: Path) -> None:
    (root / "annotations" / "instances_val2017.json").unlink()
    hashes = set()
    for held_out in (None, HeldOut(0.25, 0), HeldOut(0.5, 0), HeldOut(0.5, 1)):
        config = load_config(DEMO, ())
        set_data_root(config, root)
        DETECTION.adopt(config, held_out)
        hashes.add(config_hash(config, "fp32"))
        if held_out is None:
            with pytest.raises(UserError, match="hold one out with --split"):
                DETECTION.check_data(config, CLASSES, False)
        else:
            train, test = built(config)
            assert sorted([*train, *test]) == ["t0", "t1", "t2", "t3"]
            assert len(test) == 4 * held_out.share
            facts = DETECTION.check_data(config, CLASSES, False)
            assert (facts["train_images"], facts["test_images"]) == (len(train), len(test))
            assert facts["split"] == {"share": held_out.share, "seed": held_out.seed}
    assert len(hashes) == 4


def test_what_has_lists_is_not_divided(root: Path, tmp_path: Path) -> None:
    config = load_config(DEMO, ())
    set_data_root(config, root)
    DETECTION.adopt(config, HeldOut(0.5, 0))
    with pytest.raises(UserError, match=r"--split: .* has the part val to measure on"):
        DETECTION.check_data(config, CLASSES, False)
    set_data_root(config := load_config(DEMO, ()), tmp_path / "devkit")
    with pytest.raises(UserError, match="--split is for data without a part to measure on"):
        DETECTION.adopt(config, HeldOut(0.5, 0))


def test_a_devkit_without_a_test_list_is_divided(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "shapes", images=8, size=48, layouts=("detection",)) / "VOCdevkit"
    config = load_config(DEMO, ())
    set_data_root(config, data)
    DETECTION.adopt(config, HeldOut(0.25, 0))
    with pytest.raises(UserError, match=r"--split: .* has the part test to measure on"):
        DETECTION.check_data(config, OBJECT_CLASSES, False)
    for path in data.glob("*/ImageSets/Main/test.txt"):
        path.unlink()
    facts = DETECTION.check_data(config, OBJECT_CLASSES, False)
    assert facts["split"] == {"share": 0.25, "seed": 0}
    assert facts["test_images"] == (facts["train_images"] + facts["test_images"]) // 4


def test_a_fraction_trains_on_as_many_images(root: Path) -> None:
    drawn = {}
    for fraction in (0.25, 0.5, None):
        config = load_config(DEMO, ())
        set_data_root(config, root)
        DETECTION.adopt(config, None)
        before = config_hash(config, "fp32")
        if fraction is not None:
            draw_fraction(config, fraction)
            assert config_hash(config, "fp32") != before
        train, test = built(config)
        drawn[fraction] = train
        assert test == ["v0"]
    assert [len(each) for each in drawn.values()] == [1, 2, 4]
    assert set(drawn[0.25]) <= set(drawn[0.5]) <= set(drawn[None])


@pytest.mark.parametrize("name", ["faster_rcnn_fpn_voc0712.py", "faster_rcnn_c4_voc0712.py"])
def test_a_fraction_of_several_years_is_one_of_each(name: str, tmp_path: Path) -> None:
    config = load_config(str(ROOT / "det_configs" / name), ())
    draw_fraction(config, 0.1)
    kinds = [dataset.type for split, dataset in innermost_datasets(config) if split == "train"]
    assert kinds == ["VOCDataset", "VOCDataset"]
    assert str(config.train_dataloader).count("DrawnShare") == 2
