"""Any protocol of detection trains on any format of boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from written_scenes import CLASSES, coco

from backbones.data.shapes import OBJECT_CLASSES, make_shapes
from backbones.errors import UserError
from transfer.data.scenes.scene import Box, Scene
from transfer.protocol.load import load_config
from transfer.python import read_detections
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.detection import DETECTION
from transfer.tasks.task import innermost_datasets, set_data_root

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "det_configs/faster_rcnn_fpn_demo.py")
SMALL = (
    *("train_cfg.max_epochs=1", "train_dataloader.dataset.pipeline.2.scale=(64,64)"),
    "test_dataloader.dataset.pipeline.1.scale=(64,64)",
)


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
        TransferOptions(DEMO, "random:resnet18_d", str(out), str(root), total_batch=2, workers=0, cfg_options=SMALL),
    )
    assert f"note: {root} is COCO's JSON; trains on its part train, measures on val" in capsys.readouterr().out
    asked = json.loads((out / "run.json").read_text())
    assert asked["data"]["layout"] == "COCO's JSON"
    assert (asked["data"]["train_images"], asked["data"]["test_images"], asked["classes"]) == (4, 1, 3)
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
    assert DETECTION.adopt(config) is not None
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
        DETECTION.adopt(config)
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
    assert DETECTION.adopt(config) is None
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
    names = DETECTION.adopt(config)
    assert names is not None
    assert names() == CLASSES
