"""The door to Postgres, where whoever went through it does not come back."""

from contextlib import closing

import pytest
from sqlalchemy import select

from core import database, ledger
from core.bootstrap import Services
from core.database import UNAVAILABLE, Database
from tests import builders


@pytest.mark.parametrize("statement", ["the session's own", "fixed"])
def test_who_falls_silent_in_a_transaction_keeps_nobodys_jobs(
    services: Services, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setattr(database, "SILENT_SECONDS", 1)
    claim = builders.claim(services, builders.make_job(services))
    builders.lose_lease(services, claim.job_id)

    def work_on() -> None:
        with closing(Database(services.settings.database_url)) as frozen, frozen.transaction() as session:
            assert ledger.holds(session, claim)
            with services.database.transaction() as rescuer:
                assert [job.id for job in ledger.rescue(rescuer)] == [claim.job_id]
            if statement == "fixed":
                ledger.holds(session, claim)
            session.execute(select(1))

    with pytest.raises(UNAVAILABLE):
        work_on()
