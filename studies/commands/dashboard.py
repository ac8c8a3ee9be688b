"""Serve the page of this study, and optuna-dashboard behind it, read-only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from studies.commands.options import ArtifactOptions, StudyOptions, natural
from studies.commands.parser import option, switch


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, ArtifactOptions):
    """The command's options."""

    host: str = option(str, "127.0.0.1", None, "address to listen on")
    port: int = option(natural, 8080, None, "port, 0 for a free one")
    allow_edit: bool = switch(
        "let the dashboard change and delete studies: for who opens the address that it prints, which holds a"
        " secret token, or gives the password, where one is set"
    )
    no_browser: bool = switch("do not open a browser")


def run(options: Options) -> int:
    """Run the command until it is interrupted."""
    from studies.dashboard.serving import serve

    artifacts = Path(options.artifacts)
    serve(
        options.storage,
        study=options.study,
        host=options.host,
        port=options.port,
        allow_edit=options.allow_edit,
        artifact_dir=artifacts if artifacts.is_dir() else None,
        open_browser=not options.no_browser,
        typed=lambda study: replace(options, study=study).typed,
    )
    return 0
