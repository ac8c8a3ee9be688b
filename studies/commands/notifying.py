"""Run a command of the user's when a long run has ended: it gets the result as JSON on its standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from fcnet.errors import UserError
from studies import program
from studies.execution.signals import Interrupted

PATIENCE_SECONDS = 60.0


def notified(command: str, name: str, call: Callable[[], int]) -> int:
    """Run a command of the program, then the user's with what came of it; return the former's exit code.

    Parameters
    ----------
    command : str
        For the shell. Its standard input is a JSON object: `command`, `exit_code`, `error` (a sentence, or
        null), and `result`, what ``--format json`` prints (null after an error).
    name : str
        Of the program's command.
    call : callable
        Runs it.
    """
    told: dict[str, Any] = {"command": name, "exit_code": 1, "error": None, "result": None}
    _results.clear()
    try:
        told["exit_code"] = code = call()
        told["result"] = _results[-1] if _results else None
    except (Interrupted, KeyboardInterrupt):
        told.update(exit_code=130, error="interrupted; the same command goes on")
        raise
    except Exception as error:
        told["exit_code"] = error.exit_code if isinstance(error, UserError) else 1
        told["error"] = str(error) or type(error).__name__
        raise
    finally:
        _run(command, json.dumps(told))
    return code


_results: list[dict[str, Any]] = []  # of this process's command; there is one


def keep(result: dict[str, Any]) -> dict[str, Any]:
    """Keep a command's result for whoever is notified, and return it."""
    _results.append(result)
    return result


def _run(command: str, text: str) -> None:
    try:
        done = subprocess.run(
            command,
            shell=True,
            input=text,
            text=True,
            stdout=sys.stderr,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        trouble = f"ended with code {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        trouble = f"took longer than {PATIENCE_SECONDS:.0f} s"
    except OSError as error:
        trouble = f"could not be started ({error.strerror})"
    if trouble:
        print(f"{program.name()}: the command of --notify {trouble}: {command}", file=sys.stderr)
