"""What the lanes of a road told their listener, kept by kind."""

# ruff: noqa: ARG002 - a listener hears more than it keeps

from consumer.model import DeadLetterCause, Fault
from consumer.model.observer import Observer


class RecordingObserver(Observer):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.holds: list[tuple[str, Fault]] = []
        self.resumes: list[str] = []
        self.splits: list[int] = []
        self.suspicions: list[int] = []
        self.partial: list[tuple[int, int]] = []
        self.waits: list[tuple[Fault, float]] = []
        self.throttles: list[tuple[str, float]] = []
        self.statuses: list[int | None] = []
        self.renewals: list[bool] = []
        self.validity: list[bool] = []
        self.closings: list[tuple[str, DeadLetterCause, int, int]] = []
        self.openings: list[tuple[str, DeadLetterCause, str]] = []

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self.holds.append((endpoint, fault))

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        self.resumes.append(endpoint)

    def batch_split(self, destination: str, events: int) -> None:
        self.splits.append(events)

    def batch_isolated(self, destination: str, events: int) -> None:
        self.suspicions.append(events)

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        self.partial.append((events, refused))

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self.waits.append((fault, wait_s))

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        self.throttles.append((source, seconds))

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        self.statuses.append(status)

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self.closings.append((kind, cause, refused, of))

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        self.openings.append((kind, cause, by))

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        self.renewals.append(ok)

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        self.validity.append(valid)
