"""What a table promises: contracts, and their judgement by Great Expectations."""
