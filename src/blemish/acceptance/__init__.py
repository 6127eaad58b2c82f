"""Proof that an inspection holds: known parts, repeats, people's labels, limits, and the page to sign."""
