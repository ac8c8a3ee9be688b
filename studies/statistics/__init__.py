"""What is signal and what is noise: decision rules and a surrogate, as functions of plain numbers."""
