from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, get_ident

import pytest

from api.dashboard.glass import Glass
from tests.stack import until


def counting() -> tuple[Callable[[], int], list[int]]:
    """A reader that returns how often it was asked, and what it has returned."""
    read: list[int] = []

    def reader() -> int:
        read.append(len(read) + 1)
        return read[-1]

    return reader, read


def test_of_ten_who_look_at_once_one_reads() -> None:
    glass, together = Glass(seconds=60), Barrier(10)
    reader, read = counting()

    def look(_: int) -> int:
        together.wait(timeout=10)
        return glass.look("jobs", reader)

    with ThreadPoolExecutor(10) as pool:
        seen = list(pool.map(look, range(10)))

    assert seen == [1] * 10
    assert read == [1]


def test_what_is_old_is_read_anew() -> None:
    glass = Glass(seconds=0)
    reader, _ = counting()

    assert [glass.look("jobs", reader) for _ in range(3)] == [1, 2, 3]


def test_different_views_are_read_each_for_itself() -> None:
    glass = Glass(seconds=60)
    reader, _ = counting()

    assert [glass.look(view, reader) for view in ("jobs", ("jobs", "failed"), "jobs")] == [1, 2, 1]


class Asked:
    """Names a view, and knows who has asked for it."""

    def __init__(self) -> None:
        self.by: set[int] = set()

    def __hash__(self) -> int:
        self.by.add(get_ident())
        return 1


def test_those_who_waited_for_what_failed_do_not_try_it_one_by_one() -> None:
    glass, jobs = Glass(seconds=60), Asked()
    tried: list[int] = []

    def fail() -> int:
        tried.append(get_ident())
        until(lambda: len(jobs.by) == 10, "all ten have asked")
        raise TimeoutError

    def look(_: int) -> bool:
        with pytest.raises(TimeoutError):
            glass.look(jobs, fail)
        return True

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(look, range(10)))

    assert len(tried) == 1


def test_an_error_is_not_kept() -> None:
    glass = Glass(seconds=60)
    reader, _ = counting()

    def fail() -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        glass.look("jobs", fail)
    assert glass.look("jobs", reader) == 1


def test_after_something_was_done_all_is_read_anew() -> None:
    glass = Glass(seconds=60)
    reader, _ = counting()
    glass.look("jobs", reader)

    glass.forget()

    assert glass.look("jobs", reader) == 2
