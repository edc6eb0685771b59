"""What every tool does around its ``main``: options, exit codes and one-line errors."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from backbones.errors import ToldError, UserError, did_you_mean

EXIT_USER_ERROR = 2
SECONDS_TO_TELL = 3.0  # torchrun ends all processes when the first one ends, and another has something to print
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention


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
        sys.exit(EXIT_USER_ERROR)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{f': {interrupt}' if str(interrupt) else ''}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)
