"""What callers really got: answers that left, pictures that were fetched."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import event, make_url, select
from structlog.testing import capture_logs

from api.receipts import Receipts
from core.database import Database
from core.orm import Image, Job
from core.settings import Settings
from tests import builders
from tests.integration.api import lives
from tests.integration.api.house import BODY, GENERATIONS, House
from tests.integration.api.test_waiting import FIRST, RETRY
from tests.stack import until
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def line(settings: Settings) -> Iterator[TcpProxy]:
    url = make_url(settings.database_url)
    with closing(TcpProxy(f"{url.host}:{url.port}")) as line:
        yield line


def completed(house: House) -> Callable[[UUID], None]:
    def act(job_id: UUID) -> None:
        claim = builders.claim(house.services, job_id)
        lives.land(house.services, claim, 0)
        lives.complete(house.services, claim)

    return act


def delivered_at(house: House, job_id: UUID) -> datetime | None:
    house.room.receipts.flush()
    with house.services.database.transaction() as session:
        return session.get_one(Job, job_id).delivered_at


def fetched_at(house: House, name: str) -> datetime | None:
    house.room.receipts.flush()
    with house.services.database.transaction() as session:
        return session.get_one(Image, name).fetched_at


def name_of(house: House, job_id: UUID) -> str:
    with house.services.database.transaction() as session:
        return session.scalars(select(Image.name).where(Image.job_id == job_id)).one()


def test_an_answer_that_has_left_is_on_record_and_its_address_is_no_picture_yet(house: House) -> None:
    assert house.while_asked(completed(house)).json

    [job_id] = house.job_ids()
    job = builders.job_of(house.services, job_id)
    delivered = delivered_at(house, job_id)
    assert delivered
    assert job.settled_at
    assert delivered >= job.settled_at
    assert fetched_at(house, name_of(house, job_id)) is None


def test_a_picture_inside_its_answer_has_been_fetched(house: House) -> None:
    assert house.while_asked(completed(house), response_format="b64_json").json

    [job_id] = house.job_ids()
    assert fetched_at(house, name_of(house, job_id))


def test_the_error_that_a_job_ended_with_is_an_answer_too(house: House) -> None:
    answer = house.while_asked(lambda job_id: lives.fail(house.services, builders.claim(house.services, job_id)))

    assert answer.json
    [job_id] = house.job_ids()
    assert delivered_at(house, job_id)


def test_who_was_sent_away_has_no_answer_before_the_retry_has_one(house: House) -> None:
    house.ask(headers={**FIRST, "x-stainless-read-timeout": "0.05"})
    [job_id] = house.job_ids()
    completed(house)(job_id)
    assert delivered_at(house, job_id) is None

    assert house.ask(headers=RETRY).json

    assert delivered_at(house, job_id)


def test_an_answer_that_could_not_be_written_was_not_delivered(house: House) -> None:
    house.ask(headers={**FIRST, "x-stainless-read-timeout": "0.05"})
    [job_id] = house.job_ids()
    completed(house)(job_id)
    client = house.app.test_client()
    written = client.post(GENERATIONS, json=BODY, headers={**house.owner.headers, **RETRY}, buffered=False)

    next(iter(written.response))
    written.close()

    assert delivered_at(house, job_id) is None


def test_a_picture_counts_as_fetched_from_its_first_bytes_on(house: House) -> None:
    name = house.finished()
    house.call(f"/files/{name}", "HEAD")
    assert fetched_at(house, name) is None

    house.call(f"/files/{name}")

    first = fetched_at(house, name)
    house.call(f"/files/{name}")
    assert first
    assert fetched_at(house, name) == first


def test_receipts_wait_while_the_ledger_is_away(house: House, settings: Settings, line: TcpProxy) -> None:
    name = house.finished()
    url = make_url(settings.database_url).set(host="127.0.0.1", port=int(line.address.rpartition(":")[2]))
    with closing(Database(url.render_as_string(hide_password=False))) as database:
        receipts = Receipts(database)
        line.cut()
        receipts.fetch(name)
        with capture_logs() as logs:
            receipts.flush()
        assert fetched_at(house, name) is None

        line.restore()
        receipts.flush()

    assert [entry["event"] for entry in logs] == ["receipts.unwritten"]
    assert fetched_at(house, name)


def test_while_the_ledger_is_away_the_newest_receipts_are_kept(
    house: House, settings: Settings, line: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.receipts.MOST", 2)
    names = [house.finished() for _ in range(3)]
    url = make_url(settings.database_url).set(host="127.0.0.1", port=int(line.address.rpartition(":")[2]))
    with closing(Database(url.render_as_string(hide_password=False))) as database:
        receipts = Receipts(database)
        for name in names[:2]:
            receipts.fetch(name)

        def away(*_: object) -> None:
            receipts.fetch(names[2])
            line.cut()

        event.listen(database.engine, "do_connect", away)
        receipts.flush()
        event.remove(database.engine, "do_connect", away)
        line.restore()
        receipts.flush()

    assert [fetched_at(house, name) is not None for name in names] == [False, True, True]


def test_receipts_are_written_without_being_asked_for(house: House) -> None:
    name = house.finished()

    house.call(f"/files/{name}")

    def is_written() -> bool:
        with house.services.database.transaction() as session:
            return session.get_one(Image, name).fetched_at is not None

    until(is_written, "the receipt is on the ledger", within=20)


def test_a_body_is_kept_as_it_came_without_its_prompt(house: House) -> None:
    sent = {"size": "auto", "quality": None, "user": "u-1", "metadata": {"order": "7"}}

    job_id = UUID(house.ask(headers={"Prefer": "respond-async"}, **sent).headers["Location"].rpartition("/")[2])

    assert builders.job_of(house.services, job_id).received == {"model": "dall-e-2", **sent}


def test_text_that_no_database_can_keep_hinders_no_job(house: House) -> None:
    assert house.ask(headers={"Prefer": "respond-async"}, user="a\0b").status_code == 202

    [job_id] = house.job_ids()
    assert builders.job_of(house.services, job_id).received == {"model": "dall-e-2", "size": "256x256"}
