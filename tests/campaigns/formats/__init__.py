"""Every format that is read: a table of those without OpenMMLab, and those with it."""

from __future__ import annotations

from campaigns.formats.format import Format


def light_formats() -> dict[str, Format]:
    """By name, those whose readers need no OpenMMLab."""
    from campaigns.formats import (
        archives,
        bundles,
        checkpoints,
        labels,
        pictures,
        runs,
        scenes,
        segmentation,
        tables,
        yamls,
    )

    table = (
        *(pictures.JPEG, pictures.PNG),
        *(labels.SHARD, labels.TABLE, labels.METADATA),
        *(segmentation.MASK, segmentation.IMAGE, segmentation.LISTS, segmentation.CLASSES),
        *(bundles.BUNDLE, bundles.HEADER, bundles.PICKLED, bundles.PICKLED_FIELDS, bundles.FOREIGN),
        *(checkpoints.LAST_BYTES, checkpoints.LAST_FIELDS),
        *(runs.RESULT, runs.UNFINISHED, runs.CONTINUED, runs.CURVES, runs.LOG),
        *(runs.NPZ_BYTES, runs.NPZ_ARRAYS, runs.NPZ_COMPARED, runs.MAPS, runs.MAPS_DRAWN),
        *(yamls.SUITE, yamls.RECIPE),
        *(*scenes.SCENES, *tables.TABLES),
        *(archives.ZIP, archives.TAR, archives.TAR_GZ),
    )
    return {each.name: each for each in table}


def all_formats() -> dict[str, Format]:
    """By name, all of them."""
    from campaigns.formats import checkpoints, detection

    heavy = (*detection.formats(), *checkpoints.transfer_formats())
    return {**light_formats(), **{each.name: each for each in heavy}}
