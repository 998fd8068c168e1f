"""From Kafka to the customer data platforms, without losing an event.

The path, which is also the listing of this folder:

1. `kafka/` polls records in one thread that decides nothing,
2. `translation/` turns each record into deliveries: decode, map, encode,
3. `delivery/` puts them into ordered lanes, batches them, sends them and handles the verdicts,
4. `destinations/` has the three contracts: encodes requests and judges responses,
5. `delivery/ledger/` settles what has ended: delivered, skipped, or acknowledged by the dead-letter topic,
6. `kafka/` commits the offsets below which nothing is owed.

`pipeline/pipeline.py` is that path as one page. `app.py` builds and connects the parts. `observability/` exports
metrics, log and status, `config/` reads the file, `directives/` re-reads the operator's directives, `check/` finds
problems before a start, `cli/` has one file for each command, and `demo/` runs the whole system on one machine.
`model/` holds the types that move between the packages, and imports none of them.
"""

__version__ = "0.1.0"
