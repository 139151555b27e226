"""How many draws the published figures rest on, and from which seed."""

N_DRAWS = 1000
SEED = 20260101
