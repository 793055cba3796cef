"""Which stretch of the past is looked at, cut into bins that are neither too many nor too few for a chart."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.states import Grain

DAY = timedelta(days=1)
# Windows up to so long are cut into bins so wide. Those of less than an hour are added up from minutes, of which a
# day has too many for a page that is to be there at once.
WIDTHS = (
    (timedelta(hours=2), timedelta(minutes=1)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (7 * DAY, timedelta(hours=1)),
)


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of one `width`, by when each begins, UTC; the last is the one that time is in, and not full yet."""

    starts: tuple[datetime, ...]
    width: timedelta

    @property
    def since(self) -> datetime:
        return self.starts[0]

    @property
    def grain(self) -> Grain:
        """Which counts add up to these bins."""
        if self.width < timedelta(hours=1):
            return Grain.MINUTE
        return Grain.HOUR if self.width < DAY else Grain.DAY


def lately(session: Session, window: timedelta) -> Bins:
    """The window that ends now."""
    width = next((width for longest, width in WIDTHS if window <= longest), DAY)
    return _back(session, width, number=max(window // width, 1))


def days(session: Session, number: int) -> Bins:
    """So many days of UTC, the last of them today."""
    return _back(session, DAY, number=number)


def _back(session: Session, width: timedelta, *, number: int) -> Bins:
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    last = epoch + (now - epoch) // width * width
    return Bins(tuple(last - back * width for back in reversed(range(number))), width)
