"""Any protocol of segmentation trains on masks in other layouts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from backbones.data.folders.drawing_lots import HeldOut
from backbones.data.shapes import make_shapes
from backbones.errors import UserError
from transfer.data.faults import Faults
from transfer.openmmlab import ops_bridge
from transfer.protocol.identity import config_hash
from transfer.protocol.load import load_config
from transfer.run.run import TransferOptions, run_transfer
from transfer.tasks.segmentation import SEGMENTATION
from transfer.tasks.task import innermost_datasets, set_data_root

ROOT = Path(__file__).resolve().parents[3]
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with masks in colours: left of a line is one class, right of it another, the line itself is void."""
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))
    ops_bridge.install()
    for number, part in enumerate(("train", "train", "train", "train", "val")):
        labels = np.zeros((48, 64), np.int64)
        labels[:, :20], labels[:, 21:] = 1, 2
        image = np.random.default_rng(number).integers(0, 100, (48, 64, 3), np.uint8)
        image[:, :20] += 100
        for folder, content in (("images", image), ("masks", COLOURS[labels])):
            (tmp_path / "data" / folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(tmp_path / "data" / folder / part / f"{number}.png")
    (tmp_path / "data" / "colors.txt").write_text("void 0 0 0\nleft 255 0 0\nright 0 0 255\n")
    return tmp_path / "data"


def adopted(protocol: str, root: Path) -> Config:
    config = load_config(str(ROOT / "seg_configs" / protocol), ())
    set_data_root(config, root)
    names = SEGMENTATION.adopt(config, None)
    assert names is not None
    assert names() == ("left", "right")
    return config


@pytest.mark.parametrize("path", sorted((ROOT / "seg_configs").glob("*.py")), ids=lambda path: path.stem)
def test_every_protocol_reads_masks_in_every_pipeline(path: Path, root: Path) -> None:
    config = adopted(path.name, root)
    found = [(name, dataset.type, dataset.split) for name, dataset in innermost_datasets(config)]
    assert found == [("train", "MaskDataset", "train"), ("test", "MaskDataset", "val")]
    loaders = str([config.train_dataloader, config.test_dataloader, config.tta_pipeline])
    assert loaders.count("'LoadMask'") == 3
    assert "LoadAnnotations" not in loaders


def test_what_is_loaded_is_the_mask(root: Path) -> None:
    from mmseg.registry import DATASETS

    config = adopted("fcn_os8_demo.py", root)
    SEGMENTATION.set_classes(config, ("left", "right"))
    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    labels = dataset[0]["data_samples"].gt_sem_seg.data[0].numpy()
    assert np.unique(labels[:, :20]).tolist() == [0]
    assert np.unique(labels[:, 20]).tolist() == [255]
    assert np.unique(labels[:, 21:]).tolist() == [1]


def test_a_segmentor_trains_on_colours(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    short = ("train_cfg.max_iters=2", "default_hooks.checkpoint.interval=2")
    options = TransferOptions(
        str(ROOT / "seg_configs/fcn_os8_demo.py"),
        *("random:resnet18_d", str(out), str(root)),
        total_batch=4,
        workers=0,
        fraction=0.5,
        cfg_options=short,
    )
    run_transfer(SEGMENTATION, options)
    words = "is images with masks in the colours of colors.txt; trains on its part train, measures on val"
    assert f"note: {root} {words}" in capsys.readouterr().out
    result = json.loads((out / "result.json").read_text())
    assert set(result["per_class"]) == {"left", "right"}
    assert (result["data"]["train_images"], result["data"]["fraction"]) == (2, 0.5)


def test_ade20k_is_read_as_ever(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "shapes", images=6, size=32, layouts=("segmentation",))
    config = load_config(str(ROOT / "seg_configs/fcn_os8_demo.py"), ())
    set_data_root(config, data / "ADEChallengeData2016")
    before = config.pretty_text
    assert SEGMENTATION.adopt(config, None) is None
    assert config.pretty_text == before


def test_other_classes_than_the_masks_have(root: Path) -> None:
    config = adopted("fcn_os8_demo.py", root)
    with pytest.raises(UserError, match=r"3 classes are named, and the masks .* have 2"):
        SEGMENTATION.check_data(config, ("a", "b", "c"), False)


def undivided(root: Path, images: int = 12) -> Path:
    """Index PNGs without lists; the class "rare" is in every third image."""
    for number in range(images):
        labels = np.zeros((8, 10), np.uint8)
        labels[:, 5:], labels[0, 0] = 1, 255
        labels[4:, :2] = 2 if number % 3 == 0 else 0
        pixels = np.random.default_rng(number).integers(0, 255, (8, 10, 3), np.uint8)
        for folder, name, content in (("images", f"{number}.jpg", pixels), ("annotations", f"{number}.png", labels)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / folder / name)
    (root / "classes.txt").write_text("left\nright\nrare\n")
    return root


def divided(root: Path, held_out: HeldOut) -> Config:
    config = load_config(str(ROOT / "seg_configs/fcn_os8_index_png.py"), ())
    set_data_root(config, root)
    assert SEGMENTATION.adopt(config, held_out) is not None
    return config


def files(config: Config) -> list[list[str]]:
    """Names of the training and of the test images, as mmsegmentation will read them."""
    from mmseg.registry import DATASETS

    SEGMENTATION.set_classes(config, ("left", "right", "rare"))
    datasets = [dataset for split, dataset in innermost_datasets(config) if split != "val"]
    with DefaultScope.overwrite_default_scope("mmseg"):
        built = [DATASETS.build(dataset) for dataset in datasets]
    return [[Path(each["img_path"]).name for each in dataset.load_data_list()] for dataset in built]


def test_a_part_is_held_out_class_by_class_and_recorded(root: Path, tmp_path: Path) -> None:
    data = undivided(tmp_path / "own")
    hashes, parts = set(), []
    for held_out in (HeldOut(0.25, 0), HeldOut(0.5, 0), HeldOut(0.5, 1)):
        config = divided(data, held_out)
        hashes.add(config_hash(config, "fp32"))
        train, test = files(config)
        assert sorted([*train, *test]) == sorted(f"{number}.jpg" for number in range(12))
        assert len(test) == 12 * held_out.share
        rare = [name for name in test if int(name.removesuffix(".jpg")) % 3 == 0]
        assert len(rare) == 4 * held_out.share
        facts = SEGMENTATION.check_data(config, ("left", "right", "rare"), False)
        assert (facts["train_images"], facts["test_images"]) == (len(train), len(test))
        assert facts["split"] == {"share": held_out.share, "seed": held_out.seed}
        parts.append(test)
    assert len(hashes) == 3
    assert parts[1] != parts[2]


def test_nothing_is_divided_unasked(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "images" / "val")
    config = adopted("fcn_os8_demo.py", root)
    with pytest.raises(UserError, match=r"has no part to measure on; hold one out with --split 0\.2"):
        SEGMENTATION.check_data(config, ("left", "right"), False)
    config = load_config(str(ROOT / "seg_configs/fcn_os8_index_png.py"), ())
    set_data_root(config, undivided(tmp_path / "own"))
    assert SEGMENTATION.adopt(config, None) is None
    with pytest.raises(UserError, match=r"train.txt does not exist"):
        SEGMENTATION.check_data(config, ("left", "right", "rare"), False)


def test_what_has_a_part_to_measure_on_is_not_divided(root: Path, tmp_path: Path) -> None:
    config = load_config(str(ROOT / "seg_configs/fcn_os8_demo.py"), ())
    set_data_root(config, root)
    SEGMENTATION.adopt(config, HeldOut(0.2, 0))
    with pytest.raises(UserError, match=r"--split: .* has the part val to measure on; leave it out"):
        SEGMENTATION.check_data(config, ("left", "right"), False)
    own = undivided(tmp_path / "own")
    (own / "train.txt").write_text("1\n2\n")
    (own / "val.txt").write_text("3\n")
    with pytest.raises(UserError, match=r"--split: .* has the part val to measure on"):
        SEGMENTATION.check_data(divided(own, HeldOut(0.2, 0)), ("left", "right", "rare"), False)


def test_ade20k_is_not_divided(tmp_path: Path) -> None:
    data = make_shapes(tmp_path / "shapes", images=6, size=32, layouts=("segmentation",)) / "ADEChallengeData2016"
    config = load_config(str(ROOT / "seg_configs/fcn_os8_demo.py"), ())
    set_data_root(config, data)
    with pytest.raises(UserError, match="--split is for images and masks without a part to measure on"):
        SEGMENTATION.adopt(config, HeldOut(0.2, 0))


def test_a_damaged_mask_is_told_before_anything_is_drawn(root: Path, tmp_path: Path) -> None:
    data = undivided(tmp_path / "own")
    (data / "annotations" / "7.png").write_bytes(b"no PNG")
    (data / "annotations" / "8.png").unlink()
    with pytest.raises(Faults) as caught:
        SEGMENTATION.check_data(divided(data, HeldOut(0.25, 0)), ("left", "right", "rare"), False)
    assert len(caught.value.texts) == 2
