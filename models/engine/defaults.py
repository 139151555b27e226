"""What published figures rest on, and the words that they use; nothing is computed here, so that it loads at once."""

N_DRAWS = 1000
SEED = 20260101
TOP = (5, 10, 20)
"""Lengths of the lists of greatest need."""
RAISES, LOWERS, TYPICAL = "raises need", "lowers need", "typical"
"""What an indicator does to an area's score, set against the reference population."""
