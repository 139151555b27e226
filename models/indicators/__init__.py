"""Indicators: what is measured, from which cells, with which error; one decorated function each."""
