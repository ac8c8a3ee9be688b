"""The program under kills, lost workers, pulled cables, large studies and nonsense, each one command."""
