"""An INDI camera of our own: what a fisheye lens would see of the true sky at a site and a time; for demonstration and tests."""
