"""How long the pages of the dashboard take, and their figures alone, with a million jobs in the ledger."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from core import fleet, history, pulse, standings, vitals
from core.bootstrap import Services
from core.history import Dimension, Scope
from core.orm import ApiKey
from tests.bench import million, pages
from tests.bench.house import House
from tests.bench.table import Cell, say, show

ROUNDS = 20
WINDOWS = {
    "1 h": timedelta(hours=1),
    "24 h": timedelta(days=1),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
}

Reader = Callable[[Session], object]


def measure(house: House) -> None:
    say(f"\nA ledger of {million.SIZE['settled']:,} settled jobs", bold=True)
    with million.ledger(house) as services:
        rows: list[list[Cell]] = [
            [name, *_milliseconds(services, read)] for name, read in _readers(services).items()
        ]
        whole = pages.measure(services)
    show(
        f"Milliseconds of a page, of {pages.ROUNDS} first looks", ["page", "p50", "max", "statements", "kB"], whole
    )
    show(f"Milliseconds, of {ROUNDS} runs", ["figures", "p50", "max"], rows)


def _readers(services: Services) -> dict[str, Reader]:
    with services.database.transaction() as session:
        key_id = session.query(ApiKey.id).order_by(ApiKey.id).limit(1).scalar()
    readers: dict[str, Reader] = {
        "pulse": pulse.feel,
        "workers": fleet.every,
        "providers' standings": standings.providers,
        "money reserved, in doubt": vitals.money,
        "all vitals": vitals.look,
        "totals for /metrics": history.totals,
        "lag of the history": history.lag,
    }
    for name, window in WINDOWS.items():
        readers |= {f"{what}, {name}": reader for what, reader in _of_window(window, Scope(key_id=key_id)).items()}
    return readers


def _of_window(window: timedelta, one_key: Scope) -> dict[str, Reader]:
    def over(read: Callable[[Session, history.Bins], object]) -> Reader:
        return lambda session: read(session, history.lately(session, window))

    return {
        "flow": over(history.flow),
        "flow of a key": over(lambda session, bins: history.flow(session, bins, one_key)),
        "latencies": over(history.latencies),
        "latencies of a key": over(lambda session, bins: history.latencies(session, bins, one_key)),
        "latencies by provider": over(history.latencies_by_provider),
        "spending by provider": over(lambda session, bins: history.spending(session, bins, Dimension.PROVIDER)),
        "spending by key": over(lambda session, bins: history.spending(session, bins, Dimension.KEY)),
        "outcomes by provider": over(lambda session, bins: history.outcomes(session, bins, Dimension.PROVIDER)),
        "outcomes by key": over(lambda session, bins: history.outcomes(session, bins, Dimension.KEY)),
        "failures": over(history.failures),
        "calls": over(history.calls),
    }


def _milliseconds(services: Services, read: Reader) -> tuple[float, float]:
    times: list[float] = []
    for _ in range(ROUNDS):
        with services.database.transaction() as session:
            begun = time.perf_counter()
            read(session)
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), max(times)
