"""One pipeline's observer that counts: by lot and by call, on series made beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consumer.observability.metrics.counting_deliveries import CountingDeliveries
from consumer.observability.metrics.families import Families
from consumer.observability.metrics.observer import CountingRecords


class Counting(CountingRecords, CountingDeliveries):
    """Counts one pipeline: the records on their way in, and the deliveries on their way out."""

    def __init__(
        self,
        families: Families,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
        subscribed: Sequence[str],
    ) -> None:
        CountingRecords.__init__(self, families.records, pipeline, tuple(destinations), event_types, subscribed)
        CountingDeliveries.__init__(self, families.deliveries, pipeline, destinations, event_types)
