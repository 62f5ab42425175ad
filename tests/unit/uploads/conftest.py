"""A real data folder and database, as the tests of `store` have them."""

from tests.unit.store.conftest import clock, database, folder

__all__ = ["clock", "database", "folder"]
