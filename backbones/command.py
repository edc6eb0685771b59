"""What every tool does around its ``main``: exit codes and one-line errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from backbones.errors import ToldError, UserError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention


def run_command(main: Callable[[], None]) -> NoReturn:
    """Run a tool and leave the process: 0 when it worked, 2 for a user error, 130 after Ctrl-C."""
    try:
        main()
    except ToldError:
        sys.exit(EXIT_USER_ERROR)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{f': {interrupt}' if str(interrupt) else ''}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)
