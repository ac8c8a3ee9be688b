"""A fully connected network in NumPy: layers, loss, training as a stream of epochs, data, saved models."""
