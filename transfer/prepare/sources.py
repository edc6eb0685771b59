"""Where the benchmarks come from, and how to recognise the right bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GIGABYTE = 10**9


@dataclass(frozen=True)
class Archive:
    """One published file. ``size`` in bytes; None where nobody who publishes the file states it."""

    file_name: str
    md5: str
    size: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """A data set with a public address.

    Attributes:
        name: What the user types.
        archives: All of them together make the data set.
        root: Folder that a protocol's ``--data`` names, relative to the folder the user chose.
        folder: What is unpacked, relative to the folder the user chose.
        disk_bytes: About how much archives and unpacked files take together.
        images: Published number of images per split, as ``check`` names the splits.
        inside: Path of that folder inside the archives, where it is not the same; "." for all that is in them.
    """

    name: str
    archives: tuple[Archive, ...]
    root: str
    folder: str
    disk_bytes: int
    images: Mapping[str, int] = field(default_factory=dict)
    inside: str | None = None


@dataclass(frozen=True)
class ImageNetRelease:
    """ImageNet's three archives, which only a registered user can get, and what they hold."""

    train: Archive
    val: Archive
    devkit: Archive
    classes: int
    train_images: int
    val_images: int


_COCO = "http://images.cocodataset.org"
_OXFORD = "http://host.robots.ox.ac.uk/pascal/VOC"

# MD5s of PASCAL VOC and ImageNet: as in torchvision.datasets. Of ADE20K and COCO: as in the loaders of several other
# projects, whose agreement is all there is, because the publishers state none.
BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="voc2007",
            archives=(
                Archive(
                    file_name="VOCtrainval_06-Nov-2007.tar",
                    md5="c52e279531787c972589f7e41ab4ae64",
                    size=460_032_000,
                    address=f"{_OXFORD}/voc2007/VOCtrainval_06-Nov-2007.tar",
                ),
                Archive(
                    file_name="VOCtest_06-Nov-2007.tar",
                    md5="b6e924de25625d8de591ea690078ad9f",
                    size=451_020_800,
                    address=f"{_OXFORD}/voc2007/VOCtest_06-Nov-2007.tar",
                ),
            ),
            root="VOCdevkit",
            folder="VOCdevkit/VOC2007",
            disk_bytes=2 * GIGABYTE,
            images={"VOC2007/trainval": 5_011, "VOC2007/test": 4_952},
        ),
        Benchmark(
            name="voc2012",
            archives=(
                Archive(
                    file_name="VOCtrainval_11-May-2012.tar",
                    md5="6cd6e144f989b92b3379bac3b3de84fd",
                    size=1_999_639_040,
                    address=f"{_OXFORD}/voc2012/VOCtrainval_11-May-2012.tar",
                ),
            ),
            root="VOCdevkit",
            folder="VOCdevkit/VOC2012",
            disk_bytes=4 * GIGABYTE + GIGABYTE // 10,
            images={"VOC2012/trainval": 11_540},
        ),
        Benchmark(
            name="ade20k",
            archives=(
                Archive(
                    file_name="ADEChallengeData2016.zip",
                    md5="7328b3957e407ddae1d3cbf487f149ef",
                    address="http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                ),
            ),
            root="ADEChallengeData2016",
            folder="ADEChallengeData2016",
            disk_bytes=2 * GIGABYTE + GIGABYTE // 10,
            images={"training": 20_210, "validation": 2_000},
        ),
        Benchmark(
            name="coco",
            archives=(
                Archive(
                    file_name="train2017.zip",
                    md5="cced6f7f71b7629ddf16f17bbcfab6b2",
                    size=19_336_861_798,
                    address=f"{_COCO}/zips/train2017.zip",
                ),
                Archive(
                    file_name="val2017.zip",
                    md5="442b8da7639aecaf257c1dceb8ba8c80",
                    size=815_585_330,
                    address=f"{_COCO}/zips/val2017.zip",
                ),
                Archive(
                    file_name="annotations_trainval2017.zip",
                    md5="f4bbac642086de4f52a3fdda2de5fa2c",
                    size=252_907_541,
                    address=f"{_COCO}/annotations/annotations_trainval2017.zip",
                ),
            ),
            root="coco",
            folder="coco",
            inside=".",
            disk_bytes=42 * GIGABYTE,
            images={"train": 118_287, "val": 5_000},
        ),
    )
}

IMAGENET = ImageNetRelease(
    train=Archive("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e", 147_897_477_120),
    val=Archive("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622", 6_744_924_160),
    devkit=Archive("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
    classes=1_000,
    train_images=1_281_167,
    val_images=50_000,
)
