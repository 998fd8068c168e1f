"""One running pipeline: from consumed records to committable offsets."""
