"""The server process: its connections and their limits."""
