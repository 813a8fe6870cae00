"""Deployment to Databricks as an asset bundle: its files, and a check of what can be checked without a workspace."""

from __future__ import annotations

from python_ml.deploy.check import Commands, check_bundle
from python_ml.deploy.files import bundle_files
from python_ml.deploy.problem import Problem

__all__ = ["Commands", "Problem", "bundle_files", "check_bundle"]
