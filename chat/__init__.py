"""simplechat: the chat a small team puts on its own server in one command."""

__version__ = "0.1.0"
