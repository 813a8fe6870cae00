"""Canaries: planted leaks of every class, and clean worlds and data sets on which nothing critical may be raised."""
