"""What notebooks and scripts import, as ``python_ml.train`` and so on: functions of frames, and results that show
themselves."""
