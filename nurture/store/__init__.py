"""All SQL of the system. `open_store(url)` gives a `Store`; everything else is a named query in this room."""

from sqlalchemy import Connection

from nurture.store.engine import Store, open_store

__all__ = ["Connection", "Store", "open_store"]
