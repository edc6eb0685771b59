"""Text of a data set, line by line, whatever editor has written it."""

from __future__ import annotations

from pathlib import Path

from backbones.data.folders.verification import refuse_irregular
from backbones.errors import UserError
from backbones.machine.lacks import blame_machine
from backbones.text_files import read_text


def read_lines(path: Path, what: str) -> list[str]:
    """Lines of a UTF-8 file without what does not show: a byte-order mark before the first, blanks at the ends of each.

    Args:
        path: The file.
        what: It lists, for messages.

    Raises:
        UserError: The file cannot be read as text; the message names it.
    """
    try:
        refuse_irregular(path, path.stat().st_mode)
        text = read_text(path).removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        blame_machine(error, f"cannot read {what} from {path}")
        reason = f"it is not UTF-8: {error}" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(f"cannot read {what} from {path} ({reason}); give a text file with one name per line") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in (lines if lines[-1] else lines[:-1])]
