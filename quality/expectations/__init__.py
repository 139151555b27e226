"""What a contract cannot say: one module a table, with `expectations(gxe)`.

`gxe` is the module `great_expectations.expectations`, handed in so that nothing here imports Great
Expectations (it costs seconds). An expectation with severity `critical` blocks publishing; one with
`warning` stands in the UI and in the published `meta.checks`. Each says in `notes` why it is there.
"""
