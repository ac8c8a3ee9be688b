"""Errors that a user can cause and mend, and the one that ends a training."""


class UserError(Exception):
    """A condition that the user can mend; its message is one sentence: what, where, how to mend it.

    The command line prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(UserError):
    """A value on the command line that cannot be used."""

    exit_code = 2


class Diverged(Exception):
    """A training's logits are no longer finite; further epochs cannot mend that."""
