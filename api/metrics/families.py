"""One metric of many labels, as Prometheus' client takes it."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from core.history import BUCKETS

Labels = Sequence[str]
# The values of the labels, and the figure.
Sample = tuple[Labels, float]


def gauge(name: str, told: str, labels: Labels, samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for values, figure in samples:
        family.add_metric(values, figure)
    return family


def counter(name: str, told: str, labels: Labels, samples: Iterable[Sample]) -> CounterMetricFamily:
    """`name` is without the `_total` that it is given."""
    family = CounterMetricFamily(name, told, labels=labels)
    for values, figure in samples:
        family.add_metric(values, figure)
    return family


def histogram(
    name: str, told: str, labels: Labels, samples: Iterable[tuple[Labels, Sequence[int], float]]
) -> HistogramMetricFamily:
    """Each sample has the counts of the history's BUCKETS, and the sum of the seconds."""
    family = HistogramMetricFamily(name, told, labels=labels)
    bounds = [*map(str, BUCKETS), "+Inf"]
    for values, counts, seconds in samples:
        up_to = accumulate(counts or [0] * len(bounds))
        family.add_metric(values, list(zip(bounds, up_to, strict=True)), sum_value=seconds)
    return family
