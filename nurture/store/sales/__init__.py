"""Scores, stages, hand-offs and their clocks, and what reports count."""
