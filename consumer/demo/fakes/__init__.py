"""The three destinations as strict local servers: an independent reading of the vendors' documents."""
