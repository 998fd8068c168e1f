"""What is owed and what has ended: the ledger of each partition, and the accounting of all of them."""
