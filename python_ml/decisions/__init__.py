"""From scores to decisions: what a customer is worth, what an offer changes, and whom to contact."""
