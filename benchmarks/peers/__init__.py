"""Other chat servers, started privately and spoken to by one light client, the same for all."""
