"""Counters and histograms that are plain numbers until somebody looks at them.

prometheus_client takes 6 µs for the six things that a worker counts for a single report, most of
it for locks and calls; these take 1.4. There are no locks, so only one thread at a time may use a
tally.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Tally:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count ``amount`` more."""
        self.value += amount


class Distribution:
    """How many values fell into each range.

    :param bounds: the inclusive upper ends of the ranges, in ascending order; values above the
        last have a separate range.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Tallies(Collector):
    """The tallies and distributions of a registry."""

    def __init__(self) -> None:
        self._counters: list[tuple[str, str, str, Mapping[str, Tally]]] = []
        self._histograms: list[tuple[str, str, Distribution]] = []

    def counter(self, name: str, text: str) -> Tally:
        """A counter; ``name`` without ``_total``."""
        tally = Tally()
        self._counters.append((name, text, "", {"": tally}))
        return tally

    def counters(
        self, name: str, text: str, label: str, values: Sequence[str]
    ) -> Mapping[str, Tally]:
        """A counter for each value of one label; all are shown from the start."""
        tallies = {value: Tally() for value in values}
        self._counters.append((name, text, label, tallies))
        return tallies

    def histogram(self, name: str, text: str, bounds: Sequence[float]) -> Distribution:
        """A histogram with these upper bounds and ``+Inf``."""
        distribution = Distribution(bounds)
        self._histograms.append((name, text, distribution))
        return distribution

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """What has been counted so far, as prometheus_client shows it."""
        for name, text, label, tallies in self._counters:
            counter = CounterMetricFamily(name, text, labels=[label] if label else [])
            for value, tally in tallies.items():
                counter.add_metric([value] if label else [], tally.value)
            yield counter
        for name, text, distribution in self._histograms:
            below, buckets = 0, []
            for bound, count in zip(
                (*distribution.bounds, float("inf")), distribution.counts, strict=True
            ):
                below += count
                buckets.append((floatToGoString(bound), below))  # type: ignore[no-untyped-call]
            histogram = HistogramMetricFamily(name, text)
            histogram.add_metric([], buckets, distribution.sum)
            yield histogram
