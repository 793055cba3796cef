"""What the scheduler does for the history."""

from datetime import timedelta

from sqlalchemy import func, insert, literal, select, update

from core import history
from core.bootstrap import Services
from core.orm import Job, JobEvent
from tests import builders
from tests.stack import until
from workers import maintenance

MANY = history.PORTION + 1


def test_what_happened_while_nobody_counted_is_added_up_portion_by_portion(services: Services) -> None:
    builders.make_job(services, admit=False)
    again = select(Job.id, literal("retried"), func.generate_series(1, MANY))
    with services.database.transaction() as session:
        session.execute(insert(JobEvent).from_select(["job_id", "event", "attempt"], again))
        session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(minutes=1)))

    def all_counted() -> bool:
        maintenance.add_up(services)
        with services.database.transaction() as session:
            return [row.retried for row in history.totals(session).jobs] == [MANY]

    until(all_counted, "all counted")
