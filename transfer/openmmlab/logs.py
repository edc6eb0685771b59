"""mmengine's loggers, which it keeps for the whole process, and with them the files of runs that are over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger


@contextmanager
def logs_end_with_the_run() -> Iterator[None]:
    """Take away the loggers that were made inside, and close their files.

    What mmengine says later in the same process would otherwise go to the log of this run, or fail where its folder is
    no longer there.
    """
    loggers = MMLogger._instance_dict
    before = set(loggers)
    try:
        yield
    finally:
        for name in [name for name in loggers if name not in before]:
            logger = loggers.pop(name)
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
                if isinstance(handler, logging.FileHandler):
                    handler.close()
