"""An observer that records what a dispatcher reports, by kind."""

# ruff: noqa: ARG002 - the observer receives more than it records

from consumer.model import DeadLetterCause, Fault
from consumer.model.observer import Observer


class RecordingObserver(Observer):
    """Records each report."""

    def __init__(self) -> None:
        self.holds: list[tuple[str, Fault]] = []
        self.hold_ends: list[str] = []
        self.splits: list[int] = []
        self.isolations: list[int] = []
        self.partial: list[tuple[int, int]] = []
        self.retries: list[tuple[Fault, float]] = []
        self.delays: list[tuple[str, float]] = []
        self.statuses: list[int | None] = []
        self.renewals: list[bool] = []
        self.validity: list[bool] = []
        self.guard_trips: list[tuple[str, DeadLetterCause, int, int]] = []
        self.guard_resets: list[tuple[str, DeadLetterCause, str]] = []

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self.holds.append((endpoint, fault))

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        self.hold_ends.append(endpoint)

    def batch_split(self, destination: str, events: int) -> None:
        self.splits.append(events)

    def batch_isolated(self, destination: str, events: int) -> None:
        self.isolations.append(events)

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        self.partial.append((events, refused))

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self.retries.append((fault, wait_s))

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        self.delays.append((source, seconds))

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        self.statuses.append(status)

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self.guard_trips.append((kind, cause, refused, of))

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        self.guard_resets.append((kind, cause, by))

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        self.renewals.append(ok)

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        self.validity.append(valid)
