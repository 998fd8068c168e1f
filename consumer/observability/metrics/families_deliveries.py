"""The metrics counted on the way out, as deliveries are made or given up: name, labels, and what an operator may do."""

from __future__ import annotations

from consumer.observability.metrics import histogram
from consumer.observability.metrics.declaring import Declaring

_PIPELINE = ("pipeline",)
_TO = ("pipeline", "destination")


class DeliveryFamilies:
    """What is counted of calls, and of dead letters."""

    def __init__(self, declare: Declaring) -> None:
        # ── Calls ──
        self.retries = declare.counter(
            "cdp_delivery_retries_total",
            (*_TO, "cause"),
            "Batches that must be sent again, by what was wrong. None of these is lost.",
        )
        self.partial_failures = declare.counter(
            "cdp_partial_failures_total",
            _TO,
            "Answers that took a batch but for some of its events, which they name; those became dead letters.",
        )
        self.splits = declare.counter(
            "cdp_batches_split_total",
            _TO,
            "Batches halved because something in them is bad and the answer did not say what.",
        )
        self.suspected = declare.counter(
            "cdp_batches_suspected_total",
            _TO,
            "Batches halved because only they keep failing while others are taken: an event in them fails the call.",
        )
        self.refused = declare.counter(
            "cdp_deliveries_refused_total",
            (*_TO, "event"),
            "Deliveries refused for good, by configured event type: the dead letters of that type tell why.",
        )
        self.event_s = declare.spread(
            "cdp_event_time_latency_seconds",
            _TO,
            histogram.LATENCY_S,
            "Seconds from the event's own time to the destination's yes: the business's view, late events included.",
        )
        self.append_s = declare.spread(
            "cdp_append_latency_seconds",
            _TO,
            histogram.LATENCY_S,
            "Seconds from the record's timestamp (message.timestamp.type says whose) to the destination's yes.",
        )
        self.call_s = declare.spread(
            "cdp_http_request_duration_seconds",
            (*_TO, "endpoint", "status_class"),
            histogram.REQUEST_S,
            "Seconds a call took; `error` is a call without an answer.",
        )
        self.responses = declare.counter(
            "cdp_http_responses_total",
            (*_TO, "endpoint", "code"),
            "Calls by exact status; a status without a name counts by its class, `none` is no answer.",
        )
        self.call_events = declare.spread(
            "cdp_request_events",
            _TO,
            histogram.EVENTS,
            "Deliveries in a call. Always 1 where batches are possible: the linger is too short or the shapes differ.",
        )
        self.call_bytes = declare.spread(
            "cdp_request_size_bytes",
            _TO,
            histogram.SIZE_BYTES,
            "Bytes of a call's body.",
        )
        self.waited_s = declare.counter(
            "cdp_rate_limit_wait_seconds_total",
            (*_TO, "source"),
            "Seconds that calls waited for their turn: `local` is our rate, `told` is what the destination asked for.",
        )
        self.holds = declare.counter(
            "cdp_destination_holds_total",
            (*_TO, "cause"),
            "Holds begun, by what is wrong. It is ours to mend; nothing goes to the dead-letter topic meanwhile.",
        )
        self.held_s = declare.counter(
            "cdp_destination_hold_seconds_total",
            _TO,
            "Seconds of holds that have ended.",
        )
        self.credentials_valid = declare.gauge(
            "cdp_destination_credentials_valid",
            _TO,
            "1 if the last decisive answer took the credentials, 0 if it rejected them; absent before the first.",
        )
        self.auth_failures = declare.counter(
            "cdp_destination_auth_failures_total",
            _TO,
            "Answers 401 and 403. A few around a token's end are usual; a steady stream is a wrong key.",
        )
        self.renewals = declare.counter(
            "cdp_credential_renewals_total",
            (*_TO, "result"),
            "Credentials renewed or read again. Failures: is the secret mounted, does the token service answer?",
        )

        self.closures = declare.counter(
            "cdp_flood_guard_closures_total",
            (*_TO, "cause"),
            "Times so much of an event type (`none`: of a topic's records) was refused that the rest was made to wait.",
        )
        self.guarded_s = declare.counter(
            "cdp_flood_guard_seconds_total",
            _TO,
            "Seconds that the flood guard was closed, once it opened; destination `none` for records not decoded.",
        )

        # ── Dead letters ──
        self.dead_letters = declare.counter(
            "cdp_dead_letters_total",
            (*_TO, "cause"),
            "Letters the dead-letter topic acknowledged; destination `none` for records that could not be decoded.",
        )
        self.dead_letter_failures = declare.counter(
            "cdp_dead_letter_write_failures_total",
            _PIPELINE,
            "Letters that could not be written. They are tried again, and block commits until they are: act now.",
        )
