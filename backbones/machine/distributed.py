"""Several processes, one training: what ``torchrun`` starts, one process per GPU, or several on a CPU.

A batch is cut into equal shares, one per process. Gradients and losses are averaged over the processes; random numbers
depend on the place of an image in the whole batch, so n processes train the weights that one process with
``--accumulate n`` trains. BatchNorm's running statistics are the leading process's, over its share of every batch.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from backbones.errors import EXIT_INTERRUPTED, MachineError, ToldError, UserError
from backbones.machine.place import UNSET, Place, place_among_processes
from backbones.machine.signals import ignored

Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """This process among its peers; ``ALONE`` is the only process.

    ``messages`` is the group for small host data, ``ending`` one that loses patience soon, to end together.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    messages: Any = None
    ending: Any = None

    @property
    def leads(self) -> bool:
        """Whether this is the one process that writes files and talks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes of a tensor on the training device."""
        if self.size > 1:
            dist.all_reduce(value)
            value = value / self.size
        return value

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes of a tensor on the training device."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is raised in any process. All have to ask."""
        if self.size == 1:
            return flag
        raised = torch.tensor(int(flag))
        dist.all_reduce(raised, op=dist.ReduceOp.MAX, group=self.messages)
        return bool(raised)

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the leading one's values of tensors on the training device."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def on_rank_zero(self, work: Callable[[], Result]) -> Result:
        """Have the leading process do something, the others wait for it; all get the result, or end with its error.

        Raises:
            ToldError: In the others, when it failed; the leading process raises its own error.
        """
        if self.size == 1:
            return work()
        outcome: list[Any] = [None, None]
        failure: Exception | None = None
        if self.leads:
            try:
                outcome[0] = work()
            except Exception as error:
                outcome[1], failure = str(error), error
        dist.broadcast_object_list(outcome, src=0, group=self.messages)
        if failure is not None:
            raise failure
        if outcome[1] is not None:
            raise ToldError(outcome[1])
        return outcome[0]

    @contextmanager
    def one_error_for_all(self) -> Iterator[None]:
        """An error that ends all processes is told by the leading one; one that ends a single process, by that one.

        Raises:
            ToldError: In place of its own error, in a process whose leading one has met an error too.
        """
        try:
            yield
        except BaseException as error:
            if self.size == 1 or not self._all_here() or self.leads:
                raise
            if isinstance(error, KeyboardInterrupt):
                raise SystemExit(EXIT_INTERRUPTED) from None
            raise ToldError(str(error)) from error

    def _all_here(self) -> bool:
        """Whether all processes ask this now, which those do not that still work or are dead."""
        with ignored(signal.SIGINT):  # torchrun passes on the Ctrl-C that the terminal has sent to all
            try:
                dist.barrier(self.ending)
            except RuntimeError:
                return False
        return True

    def error(self, message: str) -> UserError:
        """An error that all processes have alike: the leading one prints it."""
        return UserError(message) if self.leads else ToldError(message)

    @contextmanager
    def leading(self, context: AbstractContextManager[object]) -> Iterator[None]:
        """Hold a context in the leading process while all work; if it cannot be entered, all end with its error."""
        with ExitStack() as stack:
            self.on_rank_zero(lambda: stack.enter_context(context) and None)
            yield

    def on_all_ranks(self, work: Callable[[], Result]) -> Result:
        """Have every process do something on its own; if it fails in some, all end with the first one's error.

        ``work`` must not exchange anything.

        Raises:
            ToldError: In all but the first process that failed, which raises its own error.
        """
        if self.size == 1:
            return work()
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        said: list[str | None] = [None] * self.size
        dist.all_gather_object(said, None if failure is None else str(failure), group=self.messages)
        failed = [rank for rank, message in enumerate(said) if message is not None]
        if not failed:
            return result  # type: ignore[return-value]
        if failure is not None and self.rank == failed[0]:
            raise failure
        raise ToldError(said[failed[0]])


ALONE = World()
# While the leading process looks through a data set for the first time, the others wait; that can take an hour.
PATIENCE = timedelta(hours=12)
# After an error in one process, how long it waits to learn whether the others have met it too.
COURTESY = timedelta(seconds=10)
TOGETHER = 20.0  # seconds within which processes that torchrun starts usually meet
LONGEST = 200  # characters of PyTorch's own words


def join_world(device: str) -> World:
    """Join the processes that ``torchrun`` started; without it, be alone.

    NCCL connects GPUs, gloo CPUs. ``device`` is what the user asked for.

    Raises:
        UserError: One device was named for several processes, or there are more processes than GPUs here.
        MachineError: The environment says something impossible of the processes, or they cannot be reached.
    """
    place = place_among_processes()
    if place is None:
        return ALONE
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    lonely = World(place.rank, place.size)  # who cannot speak with the others yet; they find the same
    if device.startswith("cuda:"):
        raise lonely.error(f"--device {device} names one GPU for {place.size} processes; use --device cuda")
    if gpus and place.local_size > gpus:
        raise lonely.error(
            f"torchrun started more processes than this machine has GPUs ({gpus}); lower --nproc-per-node"
        )
    if gpus:
        torch.cuda.set_device(place.local_rank)
    if not dist.is_initialized():
        _meet_the_others(place, "nccl" if gpus else "gloo")
    groups = [dist.new_group(backend="gloo", timeout=timeout) for timeout in (PATIENCE, COURTESY)]
    return World(place.rank, place.size, place.local_rank, *groups)


def _meet_the_others(place: Place, backend: str) -> None:
    where = place.meeting_point()
    with _said_while_waiting(place, where):
        try:
            dist.init_process_group(backend)
        except RuntimeError as error:  # an address that there is not, a port that is taken, nobody who answers
            words = textwrap.shorten(str(error), LONGEST, placeholder=" …")
            raise MachineError(
                f"no other process can be met at {where} ({words}); start with torchrun, or {UNSET}"
            ) from error


@contextmanager
def _said_while_waiting(place: Place, where: str) -> Iterator[None]:
    """Say for what this process waits: at once if torchrun has not started it, else when it takes long."""

    def say() -> None:
        said = f"process {place.rank} of {place.size}, as the environment says: waiting for the others at {where}"
        print(f"{said} (started alone? {UNSET})", file=sys.stderr, flush=True)

    late = threading.Timer(TOGETHER, say)
    late.daemon = True
    if place.size > 1:
        late.start() if "TORCHELASTIC_RUN_ID" in os.environ else say()
    try:
        yield
    finally:
        late.cancel()


def leave_world() -> None:
    """Part from the other processes, if there are any."""
    if dist.is_initialized():
        dist.destroy_process_group()
