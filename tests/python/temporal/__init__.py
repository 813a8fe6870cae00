"""Property tests of the temporal macros against an independent oracle."""
