"""The panel: HTTPS on the local network, its pages, its API and every limit that a stranger meets."""
