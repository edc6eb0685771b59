"""Checks of many files, spread over processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from pytest import raises

from backbones.data.verified import check_each
from backbones.errors import UserError


def square(number: int) -> int:
    if number == 700:
        raise UserError("number 700 is bad")
    if number == 800:
        time.sleep(0.05)
        raise UserError("number 800 is bad as well")
    return number * number


def test_processes_keep_order_and_pass_errors_on() -> None:
    assert check_each(square, range(600), "squares", workers=2) == [number**2 for number in range(600)]
    for workers in (1, 2):
        with raises(UserError, match="number 700 is bad"):
            check_each(square, range(900), "squares", workers)


class Counted:
    """Numbers below ``total``; ``taken`` of them have been asked for."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0

    def __len__(self) -> int:
        return self.total

    def __contains__(self, number: object) -> bool:
        return number in range(self.total)

    def __iter__(self) -> Iterator[int]:
        for number in range(self.total):
            self.taken += 1
            yield number


def test_an_error_comes_before_the_items_are_all_under_way() -> None:
    numbers = Counted(10**6)
    with raises(UserError, match="number 700 is bad"):
        check_each(square, numbers, "squares", workers=2)
    assert 700 < numbers.taken < 2000


def die(number: int) -> None:
    if number == 300:
        os._exit(1)


def test_a_dead_process_is_one_clear_error() -> None:
    with raises(UserError, match="squares: a process died"):
        check_each(die, range(600), "squares", workers=2)
