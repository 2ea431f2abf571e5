"""Which candidates an example is told apart from, and how often each is drawn."""
