"""A model of the chat on several nodes, fitted to runs of one and two nodes and checked against a run of four."""
