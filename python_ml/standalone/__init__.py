"""A pipeline that runs without this package: compiled SQL, notebooks, and the champion as plain files."""
