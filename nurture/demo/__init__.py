"""The demo's world around the product: a mail server that keeps files, people who read, and a seller who decides."""
