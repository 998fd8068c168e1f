"""What the packages report while they work: one method for each kind of occurrence, one class for each area.

Each method is called once per batch, per request or per change, never once per event: a call per event would cost
more than the event's whole budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, SkipReason
    from consumer.model.directives import Directive, Directives
    from consumer.model.findings import Finding
    from consumer.model.translated_batch import SchemaKey


class KafkaEvents:
    """The consumer group member: membership, fetching, commits, shutdown."""

    def group_joined(self, group: str, protocol: str) -> None:
        """The member joined its group for the first time, possibly with no partition."""

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Partitions were assigned. The values are the offsets that they start at."""

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        """Partitions were revoked or lost. The callback took `seconds`, drain included."""

    def records_consumed(self, topic: str, records: int, size: int) -> None:
        """Records were fetched: their number, and the bytes of their keys and values."""

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
        """The set of paused partitions changed. `partitions` is the whole set that back-pressure pauses now."""

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        """The broker accepted a commit."""

    def commit_failed(self, code: str, seconds: float) -> None:
        """A commit failed. A later one covers the same offsets."""

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        """The Kafka client reported an error. `code` is librdkafka's constant."""

    def poll_ticked(self, interval_s: float) -> None:
        """The poll thread ticked, `interval_s` after its previous tick."""

    def topic_missing(self, topic: str) -> None:
        """A subscribed topic or the dead-letter topic does not exist. The service waits for it."""

    def topic_found(self, topic: str) -> None:
        """A topic that was reported missing exists now."""

    def fence_closed(self) -> None:
        """No commit was accepted for half the session timeout. No request starts until one is accepted."""

    def fence_released(self) -> None:
        """Requests may start again: a commit was accepted, or nothing is owed any more."""

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        """A partition stopped before `offset`, which cannot be read. It waits until an operator accepts the gap."""

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        """A stopped partition continues at another offset: an operator accepted the loss of the records between."""

    def shutdown_started(self) -> None:
        """The pipeline starts to shut down."""

    def shutdown_finished(self, released: int) -> None:
        """The pipeline is shut down. `released` deliveries were given up unfinished."""


class TranslationEvents:
    """Records on their way to deliveries: decoding, mapping, schemas."""

    def events_decoded(self, events: Mapping[str, int]) -> None:
        """Records were decoded, by event type."""

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        """Deliveries to one destination were made, by event type."""

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Deliveries were deliberately not made, by (destination or "", event type or "", reason)."""

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        """Decoding or mapping failed. `destination` and `event_type` are "" if the record could not be decoded."""

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        """The schema registry was asked for a schema.

        Results: `found`, `unknown`, `unreachable`, `refused`, `schema_needs_decryption`.
        """


class DeliveryEvents:
    """Deliveries on their way to destinations: requests, holds, credentials, the flood guard, dead letters."""

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        """A request finished. `status` is `None` without a response; `size` is the body's bytes."""

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        """Deliveries were made: seconds since each one's event time, and since its record's timestamp if it has one."""

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        """One delivery was refused, or failed its contract before any request."""

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        """A request of `events` deliveries was accepted except for `refused` of them, which the response names."""

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        """A batch will be retried in `wait_s` seconds."""

    def batch_split(self, destination: str, events: int) -> None:
        """A batch of `events` deliveries was split in half."""

    def batch_isolated(self, destination: str, events: int) -> None:
        """A batch of `events` deliveries keeps failing while others succeed. It is retried apart, split in half."""

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        """An endpoint is held because of a configuration error. Only probes are sent, nothing is dead-lettered."""

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        """A hold ended, after `seconds`."""

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        """A request was delayed: `source` is `local` (the configured rate) or `server` (the destination asked)."""

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        """A credential was renewed or read again. `ok` is False if there is none to use."""

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        """A response accepted or rejected the credentials."""

    def secret_problem(self, destination: str, problem: SecretProblem | None) -> None:
        """Requests do not use the secret in its file, or may not; `None` = they do again."""

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        """The flood guard tripped: `refused` of the last `of` were refused with this cause, and the rest waits.

        `kind` is the event type. For causes of decoding it is the topic, and `destination` is "".
        """

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        """The flood guard was reset after `seconds`, by a `probe` that succeeded or by a `directive`."""

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        """The dead-letter topic acknowledged dead letters. `destination` is "" for undecodable records."""

    def dead_letter_failed(self, code: str) -> None:
        """A dead letter could not be written. It is retried, and its delivery is not settled."""


class DirectiveEvents:
    """The directives file. Reported once per process, to an observer that belongs to no pipeline."""

    def directives_read(self, directives: Directives) -> None:
        """The directives file was read. `directives` is its whole content, ended ones included."""

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        """The directives file was rejected as a whole. The directives read before stay active."""

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        """The directives file was rejected and none was read before.

        `directives` pause everything until the file can be read or is removed.
        """

    def directive_ended(self, directive: Directive) -> None:
        """A directive reached its end."""

    def directive_active_again(self, directive: Directive) -> None:
        """A directive that had ended is active again: the clock was ahead and has been corrected."""


class Observer(KafkaEvents, TranslationEvents, DeliveryEvents, DirectiveEvents):
    """An observer that ignores everything. Subclasses override the methods that they need.

    Methods are called from the pipeline's loop and from its poll thread: what they keep must be safe to touch from
    both. No method may raise or wait.
    """
