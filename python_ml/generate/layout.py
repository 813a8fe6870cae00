"""Where a project keeps its converted raw files, and what ``retention init`` and ``retention generate`` remember."""

from __future__ import annotations

from pathlib import Path

RAW_FOLDER = "raw"  # converted files
_STATE = Path(".retention")
PROFILE = _STATE / "profile.json"
PROPOSED = _STATE / "proposed.json"  # parameters of recommendations, before a person changed them
CONVERTED = _STATE / "converted.json"  # hashes of raw files that changed since the profile
MANIFEST = _STATE / "generated.json"  # hashes of generated files
