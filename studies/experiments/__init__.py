"""One module per question: the trainings that it wants, and what it concludes from them."""
