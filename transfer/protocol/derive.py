"""What a configuration takes from the bundle, the data and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, ConfigDict

from backbones.bundles.contract import InputContract
from backbones.errors import UserError
from transfer.data.class_names import choose_classes
from transfer.tasks.task import Task, innermost_datasets


def find_classes(
    config: Config, names_file: str | None, task: Task, adopted: Callable[[], tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    """Classes from ``--classes``, else from ``classes.txt`` in the data, else the data's or the benchmark's own.

    Args:
        config: Whose data sets have their folder.
        names_file: What ``--classes`` names.
        task: Its benchmark has classes of its own.
        adopted: Gives those of data in another layout than the benchmark's.

    Raises:
        UserError: A file of names that cannot be used, or none for a protocol without classes of its own.
    """
    benchmark = task.default_classes if config.get("default_classes", True) else None
    return choose_classes(data_root(config), Path(names_file) if names_file else None, adopted or benchmark)


def data_root(config: Config) -> Path:
    """The folder that the configuration's data sets are read from."""
    return Path(next(dataset.data_root for _, dataset in innermost_datasets(config)))


def set_input_contract(config: Config, contract: InputContract) -> None:
    """Normalisation and channel order of the model, from the bundle.

    Raises:
        UserError: The configuration brings values of its own that differ.
    """
    preprocessor: ConfigDict = config.model.data_preprocessor
    wanted = {
        "mean": list(contract.mean),
        "std": list(contract.std),
        "bgr_to_rgb": contract.channel_order == "RGB",  # OpenMMLab reads files as BGR
    }
    for key, value in wanted.items():
        present = preprocessor.get(key)
        found = list(present) if isinstance(present, (list, tuple)) else present
        if found is not None and found != value:
            raise UserError(
                f"model.data_preprocessor.{key}={present} contradicts the bundle's input contract ({value}); remove it"
            )
    preprocessor.update(wanted)


def set_workers(config: Config, workers: int | None) -> None:
    """Let every loader have this many processes; None leaves them as they are."""
    if workers is not None:
        for split in ("train", "val", "test"):
            if loader := config.get(f"{split}_dataloader"):
                loader.update(num_workers=workers, persistent_workers=workers > 0)
