"""Where data come from: one folder a product of a publisher, nothing shared between them."""
