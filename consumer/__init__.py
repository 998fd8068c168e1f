"""Deliver Kafka events to customer data platforms without losing one.

The path of a record through the packages:

1. `kafka/` polls records in one thread that decides nothing.
2. `translation/` turns each record into deliveries: decode, map, encode.
3. `delivery/` puts the deliveries into ordered lanes, sends them in batches and acts on the verdicts.
4. `destinations/` knows the three APIs: it encodes the requests and derives a verdict from each response.
5. `delivery/ledger/` settles what has ended: delivered, skipped, or acknowledged by the dead-letter topic.
6. `kafka/` commits the offsets below which nothing is owed.

`pipeline/pipeline.py` shows this path on one page. `app.py` builds the parts and connects them. `observability/`
exports metrics, logs and status. `config/` reads the configuration file, and `directives/` re-reads the operator's
directives. `check/` finds problems before a start. `cli/` has one file per command. `demo/` runs everything on one
machine. `model/` holds the types that move between the packages, and imports none of them.
"""

__version__ = "0.1.0"
