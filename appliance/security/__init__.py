"""Secrets, passwords, tokens, signatures and certificates: functions and values; no file, no page, no SQL."""
