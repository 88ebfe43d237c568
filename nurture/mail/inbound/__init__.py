"""Mail that comes in: bytes -> what it is. Pure; the sources beside it only carry bytes and touch no database."""
