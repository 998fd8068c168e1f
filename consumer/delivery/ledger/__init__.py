"""The ledger of each partition, with the deliveries it owes, and the accounting of all ledgers."""
