"""What every tool does around its ``main``: options, exit codes and one-line errors."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from backbones.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, ToldError, UserError, did_you_mean

SECONDS_TO_TELL = 3.0  # torchrun ends all processes when the first one ends, and another has something to print


class CommandParser(argparse.ArgumentParser):
    """argparse, whose errors are one line as all others are; options are written out, so that none changes meaning."""

    place = ""  # told before what is wrong, where the options are a part of a command line

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        name, separator, words = message.partition("unrecognized arguments: ")
        hint = did_you_mean(words.split("=")[0].split()[0], self._option_string_actions) if separator else ""
        print(f"error: {self.place}{name}{separator}{words}; {hint}see {self.prog} --help", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a tool and leave the process: 0 when it worked, 2 for a user error, 130 after Ctrl-C."""
    try:
        main()
    except ToldError:
        time.sleep(SECONDS_TO_TELL)
        _leave(EXIT_USER_ERROR)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        _leave(EXIT_USER_ERROR)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{f': {interrupt}' if str(interrupt) else ''}", file=sys.stderr)
        _leave(EXIT_INTERRUPTED)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """Leave the process; one of several (``torchrun``) without taking the interpreter apart.

    While Python takes itself apart, gloo's threads may still be letting go of the last tensors that were exchanged,
    for which they need Python: the process would now and then abort after all its work was done.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
