"""The tuned arm: what a search per row may change in a protocol, and what a run says about the search it came from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backbones.errors import UserError
from transfer.catalogue import LEAST_SEARCH, TUNABLE_KEYS

if TYPE_CHECKING:  # the comparison names these settings too, and does without OpenMMLab
    from mmengine.config import Config


def without_tunable(config: Config) -> Config:
    """A copy without ``TUNABLE_KEYS``: its hash is the same for a protocol and for all that is tuned from it."""
    rest = copy.deepcopy(config)
    for key in TUNABLE_KEYS:
        *parents, name = key.split(".")
        section = rest
        for parent in parents:
            section = section[parent]
        section.pop(name, None)
    return rest


def describe_tuning(options: Sequence[str], search: int | None) -> dict[str, Any]:
    """What ``run.json`` says of a tuned run: the size of its search, and which of its options are among the tunable.

    Args:
        options: The ``key=value`` options of the command line; values are kept as they were written.
        search: How many configurations were tried for this row on this task; None for a run of the fixed protocol.

    Raises:
        UserError: A search over less than two configurations.
    """
    if search is None:
        return {}
    if search < LEAST_SEARCH:
        raise UserError(f"--tuned-over {search}: a search tries {LEAST_SEARCH} configurations or more; say how many")
    given = [option.partition("=") for option in options]
    return {"tuned": {"search": search, "changed": {key: value for key, _, value in given if _may_tune(key)}}}


def _may_tune(key: str) -> bool:
    """Whether the key is one of ``TUNABLE_KEYS``, inside one, or a section that holds one."""
    return any(f"{key}.".startswith(f"{known}.") or f"{known}.".startswith(f"{key}.") for known in TUNABLE_KEYS)
