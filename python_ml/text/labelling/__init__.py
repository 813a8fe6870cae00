"""Labels of texts: a labeller labels some, a classifier on embeddings the others."""
