"""Onboarding: raw files become findings, decisions, and a dbt project of their own.

The steps, each a module: :mod:`reading` opens files on DuckDB, :mod:`profiling` measures their columns,
:mod:`detection` finds the customer, the time and the values by evidence, :mod:`rhythm` chooses windows and feature
times that the history can bear, :mod:`specification` holds what was found with every guess in its place, :mod:`found`
keeps it, :mod:`generation` renders a specification, :mod:`writing` writes files around a person's edits. What a person
decides lies in between: see :mod:`python_ml.recommendations`.
"""
