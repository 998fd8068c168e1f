"""From Kafka to the customer data platforms, and not one event lost on the way.

The path, which is also the listing of this folder:

1. `kafka/` polls records in one thread that decides nothing,
2. `translation/` turns each record into deliveries: decode, map, encode,
3. `delivery/` puts them into ordered lanes, batches them, sends them and judges the answers,
4. `destinations/` knows the three contracts: what a call looks like and what a reply means,
5. `delivery/`'s ledger settles what has ended: delivered, skipped, or acknowledged by the dead-letter topic,
6. `kafka/` commits the frontier behind which nothing is owed.

`pipeline.py` is that path as one page. `app.py` builds the rooms and joins them, `watch/` listens to them, `config/`
reads the file, `check/` finds what would go wrong before anything starts, `commands/` is what a person types, and
`demo/` is the whole of it on one machine. `model.py`, `shape.py` and `observe.py` hold the words the rooms share.
"""

__version__ = "0.1.0"
