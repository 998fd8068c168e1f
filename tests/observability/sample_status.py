"""Sample statuses: one healthy pipeline, and one with every possible problem."""

import time

from consumer.model import DeadLetterCause, Partition, TransientCause
from consumer.model.directives import Pause
from consumer.model.status import (
    DeadLetterStatus,
    DeliveryCounts,
    DestinationStatus,
    FloodGuardStatus,
    HoldStatus,
    PartitionStatus,
    PipelineStatus,
    RecordCounts,
    StoppedPartitionStatus,
)


class FixedStatus:
    """A status source that returns the same status every time."""

    def __init__(self, status: PipelineStatus) -> None:
        self.answer = status

    def __call__(self) -> PipelineStatus:
        return self.answer


class FailingStatus:
    """A status source with a bug."""

    def __call__(self) -> PipelineStatus:
        raise RuntimeError("canary@example.com")


def healthy(name: str = "cdp-copilot") -> PipelineStatus:
    now_ms = time.time_ns() // 1_000_000
    now_s = time.monotonic()
    return PipelineStatus(
        name,
        name,
        "classic",
        joined=True,
        partitions=(
            PartitionStatus(
                Partition("shop.orders", 0),
                1,
                90,
                100,
                10,
                5_000,
                now_ms - 800,
                log_end=104,
                committed=88,
                retained_records=12,
            ),
            PartitionStatus(Partition("shop.orders", 1), 2, 70, 70, log_end=70, committed=70, paused=True),
        ),
        schemas_known=3,
        destinations=(
            DestinationStatus(
                "copilot",
                DeliveryCounts(owed=170, delivered=140, skipped=15, dead_lettered=3, open=12),
                lanes=8,
                requests=2,
                open_events=12,
                open_bytes=3_400,
                oldest_open_ms=now_ms - 800,
                rate=5.0,
                credentials_valid=True,
                credentials_proven=True,
            ),
        ),
        records=RecordCounts(accepted=170, settled=160, open=10),
        dead_letters=DeadLetterStatus("cdp-dead-letters"),
        poll_ticked_at_s=now_s,
        loop_ticked_at_s=now_s,
        lag_updated_ms=now_ms - 4_000,
        max_records=50_000,
        max_bytes=64 * 1024 * 1024,
    )


def unhealthy(name: str = "cdp-customerio") -> PipelineStatus:
    now_ms = time.time_ns() // 1_000_000
    now_s = time.monotonic()
    return PipelineStatus(
        name,
        name,
        "consumer",
        joined=True,
        fenced=True,
        partitions=tuple(
            PartitionStatus(
                Partition("shop.customers.<b>eu</b>", index),
                3,
                1_000 * index,
                1_000 * index + 400,
                400,
                900_000,
                now_ms - 4_000_000,
                paused=True,
                full=index % 2 == 0,
                log_end=24_000,
                committed=1_000 * index,
            )
            for index in range(6)
        ),
        destinations=(
            DestinationStatus(
                "customerio",
                DeliveryCounts(owed=5_400, delivered=2_990, skipped=4, open=2_400, released=5),
                lanes=4,
                requests=1,
                open_events=2_400,
                open_bytes=1_100_000,
                oldest_open_ms=now_ms - 4_000_000,
                holds=(
                    HoldStatus("batch", TransientCause.UNAUTHORIZED, now_ms - 3_600_000, now_ms + 12_000),
                    HoldStatus("clock", TransientCause.CLOCK_SKEW, now_ms - 1_000),
                ),
                credentials_valid=False,
                credentials_proven=True,
                guards=(
                    FloodGuardStatus("shop.OrderPlaced", DeadLetterCause.REFUSED, now_ms - 300_000, 51, 90, 312),
                    FloodGuardStatus("shop.Unheard", DeadLetterCause.CONTRACT, now_ms - 5_000, 50, 50, 8),
                ),
                poison_candidates=2,
                paused=(Pause(now_ms + 1_800_000, "why", "customerio", "shop.Left"),),
            ),
        ),
        other_accounts={
            "yotpo": DeliveryCounts(owed=40, skipped=40),
            "": DeliveryCounts(owed=9, dead_lettered=6, open=2),
        },
        records=RecordCounts(accepted=5_000, settled=2_600, open=2_400),
        dead_letters=DeadLetterStatus("cdp-dead-letters", stalled_reason="UNKNOWN_TOPIC_OR_PART", in_flight=7),
        poll_ticked_at_s=now_s,
        loop_ticked_at_s=now_s,
        lag_updated_ms=now_ms,
        max_records=2_400,
        max_bytes=6_000_000,
        missing_topics=("cdp-dead-letters",),
        guards=(FloodGuardStatus("shop.orders", DeadLetterCause.UNKNOWN_SCHEMA, now_ms - 60_000, 50, 52, 7),),
        stopped={
            Partition("shop.customers.<b>eu</b>", 3): StoppedPartitionStatus(
                "_AUTO_OFFSET_RESET", 3_400, now_ms - 7_300_000
            )
        },
        schemas_pending={1234: now_ms - 60_000, 77: now_ms - 60_000},
        schema_problems={1234: "refused"},
    )
