"""The index engine: margins, shrinkage, draws, normalisation, aggregation, ranks."""
