"""Serve optuna-dashboard on this study, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studies.commands.options import Parser, add_artifacts, add_study, natural


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    add_study(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=natural,
        default=8080,
        help="port, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument("--allow-edit", action="store_true", help="let the dashboard change studies")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    add_artifacts(parser)


def run(args: Any) -> int:
    """Run the command until it is interrupted."""
    from studies.dashboard.serving import serve

    artifacts = Path(args.artifacts)
    serve(
        args.storage,
        study=args.study,
        host=args.host,
        port=args.port,
        allow_edit=args.allow_edit,
        artifact_dir=artifacts if artifacts.is_dir() else None,
        open_browser=not args.no_browser,
    )
    return 0
