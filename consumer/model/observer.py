"""What rooms tell watchers: each verb once a lot, once a call or once a change, never once an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, SkipReason
    from consumer.model.delivery_columns import SchemaKey
    from consumer.model.directives import Directive, Directives
    from consumer.model.findings import Finding


class Observer:
    """A listener of one pipeline. This one is silent; watchers override what they care about.

    Calls come from the pipeline's loop and from its poll thread: what is kept must be safe to touch from both. No
    method may raise or wait.
    """

    # ── Kafka ──

    def joined(self, group: str, protocol: str) -> None:
        """The member joined its group for the first time, possibly with no partition."""

    def assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Partitions were assigned, with the offset each starts at."""

    def revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        """Partitions went; `seconds` were spent in the callback, draining included."""

    def took(self, topic: str, records: int, size: int) -> None:
        """Records were taken from Kafka: how many, and their bytes of keys and values."""

    def paused(self, partitions: Collection[Partition]) -> None:
        """The whole set of partitions now paused for want of room."""

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        """The broker accepted a commit."""

    def commit_refused(self, code: str, seconds: float) -> None:
        """The broker refused a commit: put off, not lost."""

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        """The Kafka client reported an error; `code` is librdkafka's constant name."""

    def poll_turned(self, interval_s: float) -> None:
        """The poll thread turned, `interval_s` after its previous turn."""

    def topic_missing(self, topic: str) -> None:
        """A subscribed topic, or the dead-letter topic, is not there; waiting for it."""

    def topic_found(self, topic: str) -> None:
        """A topic that was said to be missing is there."""

    def fenced(self) -> None:
        """No commit was accepted for half a session: no call starts until one is."""

    def unfenced(self) -> None:
        """A commit was accepted: calls go on. Or nothing is owed any more."""

    def stopped(self, partition: Partition, offset: int, code: str) -> None:
        """A partition goes no further: what should come next, at `offset`, cannot be had; somebody must accept it."""

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        """A stopped partition goes on at another offset: an operator accepted that what lies between is lost."""

    # ── Translation ──

    def decoded(self, events: Mapping[str, int]) -> None:
        """Records were decoded, by event type."""

    def translated(self, destination: str, events: Mapping[str, int]) -> None:
        """Deliveries to one destination were made of records, by event type."""

    def skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Deliveries were deliberately not made, by (destination or "", event type or "", reason)."""

    def faulty(self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int) -> None:
        """Records or deliveries could not be said; `destination` and `event_type` are "" where one is not decoded."""

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        """The registry was asked: `result` is `found`, `unknown`, `unreachable` or `refused`."""

    # ── Delivery ──

    def called(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        """A call ended: its status (`None` = no answer), events, body bytes, and seconds."""

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        """Deliveries were made: seconds since each record's timestamp, and since each event's time."""

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        """One delivery was refused, or failed its contract before any call."""

    def listed(self, destination: str, events: int, refused: int) -> None:
        """A call of so many events was taken but for those that its answer refuses by name."""

    def deferred(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        """A batch must be sent again, after `wait_s` seconds."""

    def split(self, destination: str, events: int) -> None:
        """A batch of that many events was halved."""

    def suspected(self, destination: str, events: int) -> None:
        """A batch of that many events is taken for a suspect's, because only it keeps failing, and is halved."""

    def held(self, destination: str, endpoint: str, fault: Fault) -> None:
        """An endpoint is held: what is wrong is ours, nothing is dead-lettered, a probe will tell."""

    def resumed(self, destination: str, endpoint: str, seconds: float) -> None:
        """A hold ended, after `seconds`."""

    def throttled(self, destination: str, source: str, seconds: float) -> None:
        """A call waited for its turn: `source` is `local` (our rate) or `told` (the destination asked)."""

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        """A credential was renewed or re-read; `ok` tells whether one was had."""

    def credentials(self, destination: str, *, valid: bool) -> None:
        """The last decisive answer accepted or refused the credentials."""

    def secrets_doubted(self, destination: str, doubt: SecretProblem | None) -> None:
        """What signs is not what stands in the files of a destination's secrets, or may not be; `None` = it is."""

    def guard_closed(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        """The flood guard closed: of so many, an implausible share was refused with this cause; the rest waits.

        `kind` is the event type; for causes of decoding it is the topic, and `destination` is "".
        """

    def guard_opened(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        """The flood guard opened after `seconds`, by a `probe` that was taken or by a `directive`."""

    # ── Dead letters ──

    def shelved(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        """The dead-letter topic acknowledged letters; `destination` is "" for undecodable records."""

    def shelf_failed(self, code: str) -> None:
        """A letter could not be written; it is tried again and nothing is settled."""

    # ── What an operator says: told once a process, to an observer that belongs to no pipeline ──

    def directives_read(self, directives: Directives) -> None:
        """The directives file was read, and these are what it says now (those that are over included)."""

    def directives_refused(self, findings: Sequence[Finding]) -> None:
        """The directives file was refused whole; what was read before stays in force."""

    def directives_unread(self, directives: Directives, findings: Sequence[Finding]) -> None:
        """The directives file was refused and none was read before: these hold everything until one is, or is gone."""

    def directive_ended(self, directive: Directive) -> None:
        """A directive reached its end."""

    def directive_back(self, directive: Directive) -> None:
        """A directive that had reached its end is in force again: the clock was ahead, and has been put right."""

    # ── Leaving ──

    def leaving(self) -> None:
        """The pipeline was asked to leave."""

    def left(self, released: int) -> None:
        """The pipeline left, with so many deliveries released."""
