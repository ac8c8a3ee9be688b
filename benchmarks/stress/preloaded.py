"""The program, imported once and forked for each command, so that thousands of runs take minutes.

Each line of standard input is a command as JSON: its folder, words and environment. It runs in a child that
is armed first (see ``faults.c``) and is ``python sweep.py`` in all that can be told from within; its exit
code is the line that answers.
"""

import ctypes
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Serve until standard input ends."""
    sys.path.insert(0, str(ROOT))
    import optuna_dashboard  # noqa: F401  as whoever publishes figures does

    import studies
    from studies.commands.main import main as program

    for module in pkgutil.walk_packages(studies.__path__, "studies."):
        if "cluster" not in module.name:
            importlib.import_module(module.name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            return _run(program, asked)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return 0


def _run(program, asked) -> int:  # type: ignore[no-untyped-def]
    os.setsid()
    os.chdir(asked["folder"])
    messages = os.open("messages.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for standard, other in enumerate((nothing, messages, messages)):
        os.dup2(other, standard)
    os.closerange(3, max(messages, nothing) + 1)
    os.environ.update(asked["environment"])
    script, this = str(ROOT / "sweep.py"), sys.modules["__main__"]
    sys.argv = ["sweep.py", *asked["words"]]
    this.__file__, this.__spec__ = script, None  # what multiprocessing loads in a worker
    ctypes.CDLL(None).faults_arm()
    return int(program())


if __name__ == "__main__":
    sys.exit(main())
