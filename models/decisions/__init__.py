"""Decisions: what a fund does with the indices; one module a question, pure functions on tables."""
