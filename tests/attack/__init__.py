"""Fuzzers and scanners against the running app (`make attack`)."""
