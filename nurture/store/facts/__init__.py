"""What happened, and which leads to look at because of it."""
