"""Threads and what passes between them: services, workers, mailboxes, published values, health."""
