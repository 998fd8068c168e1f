"""What would go wrong, found before anything starts: configuration, mapping, schemas, budgets of time and memory."""
