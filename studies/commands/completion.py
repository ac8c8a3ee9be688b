"""Print the script that completes commands and options in bash, zsh or fish."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from studies import program
from studies.commands.parser import argument

SHELLS = ("bash", "zsh", "fish")


def _shell(text: str) -> str:
    if text not in SHELLS:
        raise argparse.ArgumentTypeError(f"{text!r} is no shell that is known: write {', '.join(SHELLS)}")
    return text


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command's options."""

    shell: str = argument(_shell, "SHELL", "bash, zsh or fish")


def run(options: Options) -> int:
    """Run the command."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def _words() -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Return of each command its options, each with its help and the values that it takes."""
    from studies.commands.main import COMMANDS, make_parser

    return {
        name: {
            action.option_strings[-1]: (action.help or "", [str(c) for c in action.choices or ()])
            for action in make_parser(name)._actions
            if action.option_strings
        }
        for name in COMMANDS
    }


def _bash() -> str:
    known = _words()
    cases = [f"    {name}) words={shlex.quote(' '.join(options))} ;;" for name, options in known.items()]
    values = {
        option: choices for options in known.values() for option, (_, choices) in options.items() if choices
    }
    choices = [f"    {option}) words={shlex.quote(' '.join(each))} ;;" for option, each in values.items()]
    return "\n".join(
        [
            f"# bash: source <({program.SCRIPT} completion bash)",
            "_fcnet_sweep() {",
            '  local words current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
            '  case "${COMP_WORDS[1]}" in',
            *cases,
            f"    *) words={shlex.quote(' '.join([*known, *known['run']]))} ;;",
            "  esac",
            '  case "$before" in',
            *choices,
            "  esac",
            '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            f"complete -o default -F _fcnet_sweep {program.SCRIPT}",
        ]
    )


def _zsh() -> str:
    return "\n".join(
        [
            f"# zsh: source <({program.SCRIPT} completion zsh)",
            "autoload -U +X compinit && compinit",
            "autoload -U +X bashcompinit && bashcompinit",
            *_bash().splitlines()[1:],
        ]
    )


def _fish() -> str:
    from studies.commands.main import module_of, sentence_of

    lines = [f"# fish: {program.SCRIPT} completion fish | source"]
    start = f"complete -c {program.SCRIPT}"
    for name, options in _words().items():
        lines.append(
            f"{start} -n __fish_use_subcommand -f -a {name} -d {shlex.quote(sentence_of(module_of(name)))}"
        )
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        if name == "run":
            seen = f"-n 'not __fish_seen_subcommand_from {' '.join(list(_words())[1:])}'"
        for option, (text, choices) in options.items():
            given = f" -x -a {shlex.quote(' '.join(choices))}" if choices else ""
            lines.append(f"{start} {seen} -l {option[2:]}{given} -d {shlex.quote(text)}")
    return "\n".join(lines)
