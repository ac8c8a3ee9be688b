"""Figures as files: an interactive page that needs no network, and the figure as Plotly JSON."""

from pathlib import Path

from plotly.graph_objects import Figure

from fcnet.writing import write_whole


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write `path` with the endings ``.html`` and ``.json``, and return both.

    Raises
    ------
    UserError
        If they cannot be written.
    """
    page, data = path.with_name(path.name + ".html"), path.with_name(path.name + ".json")
    write_whole(page, figure.to_html(include_plotlyjs=True).encode())
    write_whole(data, figure.to_json().encode())
    return [page, data]
