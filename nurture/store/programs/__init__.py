"""Campaigns as they were applied, and who stands where in them."""
