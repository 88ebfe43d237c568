"""Consent with its proofs, and the rights of the person behind an address."""
