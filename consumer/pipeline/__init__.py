"""One pipeline at work: from records handed over to offsets that may be committed."""
