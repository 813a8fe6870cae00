"""The Python API for notebooks and scripts: functions of frames, and results with displays."""
