"""Text -> `Library`, or `Problem`s with file:line:col. See README.md in this folder for every word of every file."""

from nurture.authoring.reading import File, Reading, read_folder, read_sources

__all__ = ["File", "Reading", "read_folder", "read_sources"]
