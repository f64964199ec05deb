"""The process as a server: its connections, and how much of them it bears."""
