"""Makes the image for the card; nothing of the running program."""
