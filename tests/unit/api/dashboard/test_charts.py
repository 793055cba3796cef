import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from api.dashboard.charts import Figure, Plot, Series

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
AT = [BEGIN + timedelta(minutes=number) for number in range(3)]


def plot(*values: Figure, log: bool = False, words: str = "") -> Plot:
    return Plot(at=AT, series=[Series("openai", "one", values)], unit="dollars", log=log, words=words)


def test_a_chart_is_handed_over_as_numbers() -> None:
    drawn = json.loads(plot(Decimal("1.5"), None, 2).json)

    assert drawn["x"] == [round(moment.timestamp()) for moment in AT]
    assert drawn["series"][0]["values"] == [1.5, None, 2.0]
    assert (drawn["kind"], drawn["unit"], drawn["log"]) == ("lines", "dollars", False)


def test_what_is_not_on_a_logarithmic_axis_leaves_a_gap() -> None:
    assert json.loads(plot(0, 0.5, -1, log=True).json)["series"][0]["values"] == [None, 0.5, None]


def test_a_chart_says_in_words_where_it_ends() -> None:
    assert plot(1, 2, None).summary == "latest in dollars: openai 2"
    assert plot(None, None, None).summary == "nothing yet"
    assert plot(1, 2, 3, words="two open").summary == "two open"
