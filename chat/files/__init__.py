"""Files: the store, uploads, pictures, and the files of messages."""
