import time
from contextlib import ExitStack
from threading import Event

from sqlalchemy import event

from api.lookout import LOOK_SECONDS, Lookout
from core.bootstrap import Services
from tests.integration.api import lives
from tests.integration.api.lives import Owner
from tests.stack import until


def test_all_streams_share_one_look_a_second(services: Services, owner: Owner) -> None:
    jobs = [lives.start(services, lives.begin(services, owner)).job_id for _ in range(5)]
    lookout, looks = Lookout(services.database, Event()), []

    event.listen(services.database.engine, "before_cursor_execute", lambda *_: looks.append(time.monotonic()))
    with ExitStack() as posts:
        reports = [posts.enter_context(lookout.post(job_id)).wait(10) for job_id in jobs]
        until(lambda: len(looks) >= 4, "four looks")

    assert [report and report.job.id for report in reports] == jobs
    assert looks[3] - looks[0] > 2.9 * LOOK_SECONDS
