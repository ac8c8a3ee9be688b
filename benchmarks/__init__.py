"""Side-by-side runs against peers, each one command."""
