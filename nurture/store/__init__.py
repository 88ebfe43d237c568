"""All SQL of the system. `open_store(url)` gives a `Store`; everything else is a named query in a module of this room."""

from nurture.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
