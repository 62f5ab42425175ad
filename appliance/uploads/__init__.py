"""Delivers what the queue holds to its targets."""
