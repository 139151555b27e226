"""Indices: the judgement that outsiders review, one YAML each, and the scores that follow from it."""
