"""Numbers made into pictures."""
