"""The commands of the program, one module each: its options, and what it calls and prints.

A module has a docstring whose first line is the command's help, a dataclass ``Options``, and
``run(options)``, which returns the exit code. Whatever is slow to import is imported in ``run``: help comes
at once.
"""
