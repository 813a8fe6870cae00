"""Scores over HTTP: a customer's id in; probability, risk band and reasons out. See docs/guides/serving.md.

``features`` brings the champion's inputs, ``service`` scores them with the champion of the day, ``application`` speaks
HTTP with ``limits`` and ``metrics``, and ``server`` runs it all until a signal stops it.
"""
