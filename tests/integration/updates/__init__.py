"""The update channel, from a real web server to the bundle that is here."""
