"""Training: split by time, fit, calibrate, measure, select, record.

Every step is a pure function of frames; only ``tracking`` and the command ``retention train`` touch a disk.
"""
