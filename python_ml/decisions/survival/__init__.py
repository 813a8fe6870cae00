"""How long customers stay: a discrete-time hazard on the rows of the training set; see docs/guides/survival.md."""
