"""What the program shows on a terminal, and the signals that come from there."""
