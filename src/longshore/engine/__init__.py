"""This package decides: what to insert and when to claim, what an attempt came to, and whom to tell."""
