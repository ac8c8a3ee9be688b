"""The commands of ``python sweep.py``, one module each: its options, and what it calls and prints.

A module has a docstring whose first line is the command's help, ``add_options(parser)`` and ``run(args)``,
which returns the exit code. Whatever is slow to import is imported in ``run``: help comes at once.
"""
