"""The private names of Optuna and argparse that are used: each is listed with its reason and exists.

Optuna may change them in any release, which is why `pyproject.toml` bounds its version.
"""

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from optuna.storages import RDBStorage

# Name -> the module of Optuna that has it, and why no public name does.
USED = {
    "optuna_dashboard._custom_plot_data": (
        "optuna_dashboard._custom_plot_data",
        "its save_plotly_graph_object, alone",
    ),
    "optuna_dashboard._note": ("optuna_dashboard._note", "its save_note, alone"),
    "optuna.storages._rdb.models": ("optuna.storages._rdb.models", "read many trials with few statements"),
    "optuna.storages._rdb.storage": ("optuna.storages._rdb.storage", "its logger prints lost connections"),
    "optuna.artifacts._upload": ("optuna.artifacts._upload", "attach artifacts that are stored already"),
    "_create_new_trial": ("optuna.storages._rdb.storage", "mark a trial in the moment of its start"),
    "_get_prepared_new_trial": ("optuna.storages._rdb.storage", "guard each try of a creation"),
    "_get_trials": ("optuna.storages._rdb.storage", "read many trials with few statements"),
    "_get_best_trial_id": ("optuna.storages._rdb.storage", "try it again while the database is away"),
    "_set_trial_param": ("optuna.storages._rdb.storage", "gather parameters, try again while it is away"),
    "_contains": ("optuna.distributions", "tell whether a range holds a value"),
    "_storage": ("optuna.study.study", "system attributes of a study can be set in no other way"),
    "_backend": ("optuna.storages._cached_storage", "the storage behind the cache"),
    "_study_id": ("optuna.study.study", "storages name studies by it"),
    "_try_initialization": ("optuna.pruners._hyperband", "initialise it before several threads ask it"),
    "_actions": ("argparse", "name every option of a parser for the completion"),
    "_option_string_actions": ("argparse", "find an option by its name, as argparse itself does"),
    "_AppendAction": ("argparse", "tell an option that may be given several times"),
    "_trial_id": ("optuna.trial._frozen", "storages and the dashboard name trials by it"),
}


class _Names(ast.NodeVisitor):
    """The private names of others in a module: imported, read, overridden, or named in a text."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.storage = False  # within a class of Optuna's

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.storage = any(
            isinstance(base, ast.Name) and base.id in ("RDBStorage", "GatheringStorage")
            for base in node.bases
        )
        self.generic_visit(node)
        self.storage = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if self.storage and hasattr(RDBStorage, node.name):
            self._add(node.name)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._add(node.module or "")
        for alias in node.names:
            self._add(alias.name)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            self._add(node.attr)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and re.fullmatch(r"optuna[\w.]*\._[\w.]+|_[a-z]\w+", node.value):
            self._add(node.value)

    def _add(self, name: str) -> None:
        if re.search(r"(^|\.)_(?!_)\w", name):
            self.found.add(name)


def _sources() -> Iterator[Path]:
    yield ROOT / "sweep.py"
    yield from sorted((ROOT / "studies").rglob("*.py"))


def test_no_private_name_is_used_that_is_not_listed():
    used: dict[str, set[str]] = {}
    for path in _sources():
        names = _Names()
        names.visit(ast.parse(path.read_text(encoding="utf-8")))
        for name in names.found:
            used.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    assert {name: used[name] for name in used.keys() - USED.keys()} == {}
    assert USED.keys() - used.keys() == set()


@pytest.mark.parametrize("name", USED)
def test_a_private_name_that_is_used_is_there(name):
    module = importlib.import_module(USED[name][0])
    assert name == module.__name__ or re.search(rf"\b{name}\b", inspect.getsource(module))


def test_the_version_of_optuna_is_bounded():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "optuna~=5.0" in project["dependencies"]
