"""Who the program works for: in a container, often a number without a name."""

from __future__ import annotations

import getpass
import os


def name_user() -> None:
    """Give a user who has no name one, for this process and those that it starts.

    PyTorch and others call a temporary folder by the user's name, and fail where the system has none: in a container
    that was started with ``--user``, for instance.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user{os.getuid()}"
