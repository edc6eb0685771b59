"""Which of several processes this one is, as the environment says: ``torchrun`` sets it, and it may be left over."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from backbones.errors import MachineError

_TOGETHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR")
_ALL = (*_TOGETHER, "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
UNSET = f"unset {' '.join(_ALL)}"


@dataclass(frozen=True)
class Place:
    """A process among ``size``, of which ``local_size`` are on this machine; ranks count from 0."""

    rank: int
    size: int
    local_rank: int
    local_size: int

    def meeting_point(self) -> str:
        """Address and port at which the processes meet.

        Raises:
            MachineError: The environment does not say.
        """
        if not 0 < _number("MASTER_PORT") < 2**16:
            raise _left_over("MASTER_PORT", "no port")
        if not os.environ["MASTER_ADDR"].strip():  # which would be this machine
            raise _left_over("MASTER_ADDR", "no address")
        host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
        try:
            socket.getaddrinfo(host, port)  # PyTorch would ask again and again, for minutes
        except (OSError, UnicodeError) as error:
            raise _left_over("MASTER_ADDR", f"no address ({getattr(error, 'strerror', None) or error})") from None
        return f"{host}:{port}"


def place_among_processes() -> Place | None:
    """The place of this process; None when it was started alone.

    Raises:
        MachineError: The environment names processes that there cannot be; says which variable, and what to do.
    """
    if not set(_TOGETHER) <= os.environ.keys():
        return None
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    local_rank, local_size = _number("LOCAL_RANK", rank), _number("LOCAL_WORLD_SIZE", size)
    for name, value, least, most in (
        ("WORLD_SIZE", size, 1, None),
        ("RANK", rank, 0, size - 1),
        ("LOCAL_WORLD_SIZE", local_size, 1, size),
        ("LOCAL_RANK", local_rank, 0, size - 1),
    ):
        if value < least or (most is not None and value > most):
            raise _left_over(name, f"not from {least} to {most}" if most is not None else f"less than {least}")
    return Place(rank, size, local_rank, local_size)


def processes_here() -> int:
    """How many processes of this job work on this machine.

    Raises:
        MachineError: The environment does not say it in a number.
    """
    return max(1, _number("LOCAL_WORLD_SIZE", 1))


def leads() -> bool:
    """Whether this process is alone, or the first of several."""
    place = place_among_processes()
    return place is None or place.rank == 0


def _number(name: str, otherwise: int | None = None) -> int:
    text = os.environ.get(name)
    if text is None and otherwise is not None:
        return otherwise
    try:
        return int(text or "")
    except ValueError:
        raise _left_over(name, "no number") from None


def _left_over(name: str, what: str) -> MachineError:
    value = os.environ.get(name)
    said = f"{name} is not set" if value is None else f"{name} is {value!r}, {what}"
    return MachineError(
        f"{said}, in the environment by which torchrun tells processes of each other; if it is left over from another "
        f"job, {UNSET}; several processes are started with torchrun"
    )
