"""The tests of Nightjar; see README.md here."""
