"""What rooms tell watchers: each verb once a lot, once a call or once a change, never once an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, SkipReason
    from consumer.model.directives import Directive, Directives
    from consumer.model.findings import Finding
    from consumer.model.translated_batch import SchemaKey


class Observer:
    """A listener of one pipeline. This one is silent; watchers override what they care about.

    Calls come from the pipeline's loop and from its poll thread: what is kept must be safe to touch from both. No
    method may raise or wait.
    """

    # ── Kafka ──

    def group_joined(self, group: str, protocol: str) -> None:
        """The member joined its group for the first time, possibly with no partition."""

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Partitions were assigned, with the offset each starts at."""

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        """Partitions went; `seconds` were spent in the callback, draining included."""

    def records_consumed(self, topic: str, records: int, size: int) -> None:
        """Records were taken from Kafka: how many, and their bytes of keys and values."""

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
        """The whole set of partitions now paused for want of room."""

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        """The broker accepted a commit."""

    def commit_failed(self, code: str, seconds: float) -> None:
        """The broker refused a commit: put off, not lost."""

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        """The Kafka client reported an error; `code` is librdkafka's constant name."""

    def poll_ticked(self, interval_s: float) -> None:
        """The poll thread turned, `interval_s` after its previous turn."""

    def topic_missing(self, topic: str) -> None:
        """A subscribed topic, or the dead-letter topic, is not there; waiting for it."""

    def topic_found(self, topic: str) -> None:
        """A topic that was said to be missing is there."""

    def fence_closed(self) -> None:
        """No commit was accepted for half a session: no call starts until one is."""

    def fence_released(self) -> None:
        """A commit was accepted: calls go on. Or nothing is owed any more."""

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        """A partition goes no further: what should come next, at `offset`, cannot be had; somebody must accept it."""

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        """A stopped partition goes on at another offset: an operator accepted that what lies between is lost."""

    # ── Translation ──

    def events_decoded(self, events: Mapping[str, int]) -> None:
        """Records were decoded, by event type."""

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        """Deliveries to one destination were made of records, by event type."""

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Deliveries were deliberately not made, by (destination or "", event type or "", reason)."""

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        """Records or deliveries could not be said; `destination` and `event_type` are "" where one is not decoded."""

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        """The registry was asked: `result` is `found`, `unknown`, `unreachable` or `refused`."""

    # ── Delivery ──

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        """A request finished: its status (`None` = no answer), events, body bytes, and seconds."""

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        """Deliveries were made: seconds since each record's timestamp, and since each event's time."""

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        """One delivery was refused, or failed its contract before any call."""

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        """A call of so many events was taken but for those that its answer refuses by name."""

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        """A batch must be sent again, after `wait_s` seconds."""

    def batch_split(self, destination: str, events: int) -> None:
        """A batch of that many events was halved."""

    def batch_isolated(self, destination: str, events: int) -> None:
        """A batch of that many events is taken for a suspect's, because only it keeps failing, and is halved."""

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        """An endpoint is held: what is wrong is ours, nothing is dead-lettered, a probe will tell."""

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        """A hold ended, after `seconds`."""

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        """A request was delayed: `source` is `local` (our rate) or `server` (the destination asked)."""

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        """A credential was renewed or re-read; `ok` tells whether one was had."""

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        """The last decisive answer accepted or refused the credentials."""

    def secret_problem(self, destination: str, doubt: SecretProblem | None) -> None:
        """What signs is not what stands in the files of a destination's secrets, or may not be; `None` = it is."""

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        """The flood guard tripped: of so many, an implausible share was refused with this cause; the rest waits.

        `kind` is the event type; for causes of decoding it is the topic, and `destination` is "".
        """

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        """The flood guard was reset after `seconds`, by a `probe` that succeeded or by a `directive`."""

    # ── Dead letters ──

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        """The dead-letter topic acknowledged letters; `destination` is "" for undecodable records."""

    def dead_letter_failed(self, code: str) -> None:
        """A letter could not be written; it is tried again and nothing is settled."""

    # ── What an operator says: told once a process, to an observer that belongs to no pipeline ──

    def directives_read(self, directives: Directives) -> None:
        """The directives file was read, and these are what it says now (those that are over included)."""

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        """The directives file was refused whole; what was read before stays in force."""

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        """The directives file was refused and none was read before: these hold everything until one is, or is gone."""

    def directive_ended(self, directive: Directive) -> None:
        """A directive reached its end."""

    def directive_active_again(self, directive: Directive) -> None:
        """A directive that had reached its end is in force again: the clock was ahead, and has been put right."""

    # ── Leaving ──

    def shutdown_started(self) -> None:
        """The pipeline was asked to leave."""

    def shutdown_finished(self, released: int) -> None:
        """The pipeline left, with so many deliveries released."""
