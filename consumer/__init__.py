"""From Kafka to the customer data platforms, and not one event lost on the way.

The path, which is also the listing of this folder:

1. `kafka/` polls records in one thread that decides nothing,
2. `translation/` turns each record into deliveries: decode, map, encode,
3. `delivery/` puts them into ordered lanes, batches them, sends them and judges the answers,
4. `destinations/` knows the three contracts: what a call looks like and what a reply means,
5. `delivery/ledger/` settles what has ended: delivered, skipped, or acknowledged by the dead-letter topic,
6. `kafka/` commits the offsets below which nothing is owed.

`pipeline/pipeline.py` is that path as one page. `app.py` builds the parts and joins them, `observability/` is told what
happens, `config/` reads the file, `directives/` re-reads the operator's directives, `check/` finds what would go wrong
before anything starts, `cli/` has one file for each command, and `demo/` is the whole of it on one machine. `model/`
holds the types that move between the packages, and imports none of them.
"""

__version__ = "0.1.0"
