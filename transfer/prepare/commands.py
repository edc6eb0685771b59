"""What ``tools/prepare_data.py`` does for each of its commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from backbones.files import write_json
from transfer.prepare.benchmark import prepare_benchmark
from transfer.prepare.check import check_folder
from transfer.prepare.disk import writing
from transfer.prepare.fetch.download import Patience
from transfer.prepare.imagenet import arrange_imagenet
from transfer.prepare.report import Report
from transfer.prepare.resize_cache import make_resize_cache
from transfer.prepare.sources import BENCHMARKS, IMAGENET


def run(options: argparse.Namespace) -> Report:
    """Do what the command line asks, write ``--json``, and return what the check found.

    Raises:
        UserError: The data set cannot be made or recognised. Faults of its contents are in the report.
    """
    if options.command == "check":
        report = check_folder(options.folder, options.classes, None, options.allow_shared_images, options.image_suffix)
    elif options.command == "imagenet":
        report = _imagenet(options)
    elif options.command == "resize-cache":
        report = _resize_cache(options)
    else:
        report = _benchmark(options)
    if options.json is not None:
        with writing(options.json, "the data set itself is as it was"):
            write_json(options.json, report.as_json())
    return report


def _imagenet(options: argparse.Namespace) -> Report:
    root: Path = options.folder or arrange_imagenet(IMAGENET, options.archives, options.out)
    report = check_folder(root, allow_shared_images=True)  # a published set is what it is
    report.expect_images(
        {"train": IMAGENET.train_images, "val": IMAGENET.val_images},
        "arrange it from the archives again (imagenet --archives DIR --out OTHER)",
    )
    return report


def _resize_cache(options: argparse.Namespace) -> Report:
    source = make_resize_cache(options.source, options.out, options.short_side)
    report = check_folder(options.out, allow_shared_images=True)  # the source is as it is
    report.expect_images(
        {"train": len(source.train), "val": len(source.val)}, f"move {options.out} away and run the same command again"
    )
    return report


def _benchmark(options: argparse.Namespace) -> Report:
    benchmark = BENCHMARKS[options.command]
    patience = Patience(silence=options.timeout, total=options.total_timeout, attempts=options.attempts)
    root = prepare_benchmark(benchmark, options.out, options.mirror, options.archive, patience)
    report = check_folder(root, only=[Path(benchmark.folder).name], allow_shared_images=True)  # as published
    target = options.out / benchmark.folder
    report.expect_images(benchmark.images, f"move {target} away and run the same command again")
    return report
