"""What a study can prove: confirmation on fresh seeds, the test lock, reproduction, when to stop."""
