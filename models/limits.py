"""What the figures are not for: one statement, carried by every export."""

NON_USES = (
    "These figures describe the conditions of places. They say nothing of any person, do not predict trafficking and "
    "do not say where it happens. They must not be used for policing, child removal, immigration enforcement, school "
    "discipline, or the screening of tenants, borrowers or the insured."
)
