"""What every tool does around its ``main``: options, exit codes and one-line errors."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from backbones.cli.streams import print_every_name, say, shut_streams, silence_streams, without_reader
from backbones.errors import EXIT_INTERRUPTED, EXIT_UNHEARD, EXIT_USER_ERROR, ToldError, UserError, did_you_mean
from backbones.machine.lacks import describe_lack, told
from backbones.machine.user import name_user

SECONDS_TO_TELL = 3.0  # torchrun ends all processes when the first one ends, and another has something to print


class CommandParser(argparse.ArgumentParser):
    """argparse, whose errors are one line as all others are; options are written out, so that none changes meaning."""

    place = ""  # told before what is wrong, where the options are a part of a command line

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # Path("") is the current folder, which nobody means who writes --out "$OUT" and has no OUT.
        if action.type is Path and not arg_string.strip():
            raise argparse.ArgumentError(action, "it is empty; name a file or a folder (is a shell variable not set?)")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        name, separator, words = message.partition("unrecognized arguments: ")
        hint = did_you_mean(words.split("=")[0].split()[0], self._option_string_actions) if separator else ""
        say(f"error: {self.place}{name}{separator}{words}; {hint}see {self.prog} --help")
        sys.exit(EXIT_USER_ERROR)


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a tool and leave the process.

    0 when it worked, 2 for what the user can mend and for what the machine refuses, in one line; 130 after Ctrl-C; 141,
    in silence, when nobody reads what it prints any more. Defects of the program keep their traceback.
    """
    print_every_name()
    name_user()
    # mmengine's, in whichever tool is the first to import it: nothing that a user could do about.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    try:
        main()
    except ToldError:
        time.sleep(SECONDS_TO_TELL)
        _leave(EXIT_USER_ERROR)
    except UserError as error:
        say(f"error: {error}")
        _leave(EXIT_USER_ERROR)
    except KeyboardInterrupt as interrupt:
        say(f"interrupted{f': {interrupt}' if str(interrupt) else ''}")
        _leave(EXIT_INTERRUPTED)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        _leave(end.code or 0)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        _leave(code)
    _leave(0)


def _code_of(error: Exception) -> int | None:
    """How to leave after an error that nobody has caught, once it is told; None: it is a defect of the program."""
    if isinstance(error, BrokenPipeError) and without_reader():
        silence_streams()
        return EXIT_UNHEARD
    problem = told(error)
    if problem is None:
        return None
    say(f"error: {problem}")
    return EXIT_USER_ERROR


def _leave(code: int) -> NoReturn:
    """Leave the process; one of several (``torchrun``) without taking the interpreter apart.

    While Python takes itself apart, gloo's threads may still be letting go of the last tensors that were exchanged,
    for which they need Python: the process would now and then abort after all its work was done.
    """
    alone = "TORCHELASTIC_RUN_ID" not in os.environ
    if not alone:
        atexit._run_exitfuncs()
    try:
        shut_streams()
    except BrokenPipeError:
        silence_streams()
    except OSError as error:
        silence_streams()
        say(f"error: cannot print: {describe_lack(error.errno or 0)}")
        code = code or EXIT_USER_ERROR
    if alone:
        sys.exit(code)
    os._exit(code)
