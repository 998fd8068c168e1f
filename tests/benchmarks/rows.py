"""The rows: what each runs, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `events` is what is measured; a tenth more flows before it and after it."""

    name: str
    what: str
    how: str
    """`service`, `held`, or which reference."""
    kind: str = "customerio"
    events: int = 0
    lanes: int = 4
    delay_s: float = 0.0

    @property
    def margin(self) -> int:
        """Events that flow before and after those that are measured: both marks lie in full flight."""
        return self.events // 10 if self.how == "service" else min(self.events // 10, 20)

    def smaller(self, divisor: int) -> Row:
        """Return the row with fewer events."""
        fewer = max(self.events // divisor, min(self.events, 200))
        return Row(self.name, self.what, self.how, self.kind, fewer, self.lanes, self.delay_s)


ROWS = (
    Row("D", "fastavro's decode alone", "decode"),
    Row("T", "translation alone, Customer.io", "translate", "customerio", 20_000),
    Row("T-copilot", "translation alone, Copilot", "translate", "copilot", 20_000),
    Row("T-yotpo", "translation alone, Yotpo", "translate", "yotpo", 20_000),
    Row("S1", "Customer.io, batches of 490 KB, API at once", "service", "customerio", 200_000),
    Row("S2", "Copilot, 100 a call, API at once", "service", "copilot", 200_000, 8),
    Row("S3", "Yotpo, one a call, 16 lanes, API at once", "service", "yotpo", 20_000, 16),
    Row("S4", "Yotpo, one a call, 64 lanes, API after 20 ms", "service", "yotpo", 10_000, 64, 0.02),
    Row("S-slow", "Copilot, 4 lanes, API after 100 ms", "service", "copilot", 40_000, 4, 0.1),
    Row("HELD", "Customer.io answers 404 from the start", "held", "customerio", 240_000),
    Row("HELD-yotpo", "Yotpo answers 404 from the start", "held", "yotpo", 240_000),
    Row("N1", "naive loop, API at once", "naive", "yotpo", 2_000),
    Row("N1@20ms", "naive loop, API after 20 ms", "naive", "yotpo", 300, 1, 0.02),
    Row("N2", "naive batching, API at once", "batching", "customerio", 20_000),
)
