"""The rows of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    name: str
    title: str
    mode: str
    """`service`, `held`, or the name of a reference."""
    kind: str = "customerio"
    """Kind of the destination."""
    events: int = 0
    """Number of measured events, without the margins."""
    lanes: int = 4
    delay_s: float = 0.0

    @property
    def margin(self) -> int:
        """Number of events before, and again after, the measured ones: start and end are measured at full load."""
        return self.events // 10 if self.mode == "service" else min(self.events // 10, 20)

    def scaled_down(self, divisor: int) -> Row:
        """Return the row with its events divided by `divisor`, but with 200 at least if it has them."""
        fewer = max(self.events // divisor, min(self.events, 200))
        return Row(self.name, self.title, self.mode, self.kind, fewer, self.lanes, self.delay_s)


ROWS = (
    Row("D", "decoding alone, by fastavro", "decode"),
    Row("T", "translation alone, Customer.io", "translate", "customerio", 20_000),
    Row("T-copilot", "translation alone, Copilot", "translate", "copilot", 20_000),
    Row("T-yotpo", "translation alone, Yotpo", "translate", "yotpo", 20_000),
    Row("S1", "Customer.io, batches of 490 KB, instant responses", "service", "customerio", 200_000),
    Row("S2", "Copilot, 100 events a request, instant responses", "service", "copilot", 200_000, 8),
    Row("S3", "Yotpo, 1 event a request, 16 lanes, instant responses", "service", "yotpo", 20_000, 16),
    Row("S4", "Yotpo, 1 event a request, 64 lanes, responses after 20 ms", "service", "yotpo", 10_000, 64, 0.02),
    Row("S-slow", "Copilot, 4 lanes, responses after 100 ms", "service", "copilot", 40_000, 4, 0.1),
    Row("HELD", "Customer.io responds 404 from the start", "held", "customerio", 240_000),
    Row("HELD-yotpo", "Yotpo responds 404 from the start", "held", "yotpo", 240_000),
    Row("N1", "naive loop, instant responses", "naive", "yotpo", 2_000),
    Row("N1@20ms", "naive loop, responses after 20 ms", "naive", "yotpo", 300, 1, 0.02),
    Row("N2", "naive batching, instant responses", "batching", "customerio", 20_000),
)
