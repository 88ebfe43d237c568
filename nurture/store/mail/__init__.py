"""Messages from planned to sent, what holds them back, and mail that comes in."""
