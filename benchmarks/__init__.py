"""What simplechat costs, beside what people would pick instead: `make bench`."""
