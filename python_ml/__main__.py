"""``python -m python_ml`` is the same as ``retention``."""

from python_ml.cli import main

if __name__ == "__main__":
    main()
