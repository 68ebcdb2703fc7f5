"""Who uses the server, and what he changed."""
