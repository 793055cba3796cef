from collections import Counter

from api.errors import (
    BUG,
    CANCELLED,
    ERRORS,
    FAILURES,
    FOUND_AGAIN,
    INVALID,
    PROTOCOL,
    RESTARTING,
    STILL_RUNNING,
)
from api.wording import OF_IMAGES, Code
from core.errors import FailureKind, FileMissing
from tests import errors_page
from tests.errors_page import Kind

OF_A_JOB = {*FAILURES.values(), CANCELLED, STILL_RUNNING, FOUND_AGAIN, RESTARTING}
ANSWERS = {*ERRORS.values(), *OF_A_JOB, *PROTOCOL.values(), BUG}
IMAGE_FAULTS = {Code.INVALID_VALUE, Code.INVALID_PNG_OUTPUT_COMPRESSION}
REFUSALS = {
    Kind(400, INVALID, None, retry=False),
    *(Kind(400, INVALID, code, retry=False) for code in {*Code} - {Code.INVALID_PNG_OUTPUT_COMPRESSION}),
    *(Kind(400, OF_IMAGES, code, retry=False) for code in IMAGE_FAULTS),
}


def test_the_page_lists_every_error_once_and_no_other() -> None:
    answered = {Kind(answer.status, answer.type, answer.code, answer.retry) for answer in ANSWERS}

    told = Counter(kind for kind, _ in errors_page.rows())

    assert set(told) == answered | REFUSALS
    assert set(told.values()) == {1}


def test_the_page_names_the_parameter_that_an_error_is_about() -> None:
    told = {kind: param for kind, param in errors_page.rows() if kind not in REFUSALS}

    assert told == {
        Kind(answer.status, answer.type, answer.code, answer.retry): answer.param
        for answer in ANSWERS
        if answer not in (FAILURES[FailureKind.REJECTED], ERRORS[FileMissing])  # share a row with others
    }
