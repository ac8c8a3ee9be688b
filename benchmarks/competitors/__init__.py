"""What a user would pick instead of this program: each searches for a given time and hands over a network.

Each module has `search(folder, seconds, seed)`, which returns the configuration that it found, and
`test(folder, configuration, seeds)`, which trains that on all development rows and returns test accuracies.
"""
