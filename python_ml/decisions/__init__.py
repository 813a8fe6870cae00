"""From scores to decisions: customer value, the effect of an offer, and the customers to contact."""
