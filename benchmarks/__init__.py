"""The cost of simplechat, beside its alternatives: `make bench`."""
