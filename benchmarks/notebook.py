"""Execute the example notebook in a folder, and keep its outputs: ``python -m benchmarks.notebook``."""

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "docs" / "example.ipynb"


def executed(folder: str | Path, *, before: str = "", coalesce: bool = True) -> nbformat.NotebookNode:
    """Return the example as a kernel leaves it that works in `folder`.

    Parameters
    ----------
    folder : path-like
    before : str, default=""
        Code that the kernel is given first.
    coalesce : bool, default=True
        Whether a line that was written again and again is kept as it was in the end, as a page shows it.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    client = NotebookClient(
        notebook,
        resources={"metadata": {"path": str(folder)}},
        timeout=120,
        coalesce_streams=coalesce,
        record_timing=False,
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(NOTEBOOK.parent.parent)})
    del notebook.cells[0]
    return notebook


def main() -> None:
    """Execute it and keep the outputs."""
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"  # without plotly.js, which a notebook has itself
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(folder)
    notebook.metadata = {"language_info": {"name": "python"}, "kernelspec": notebook.metadata.kernelspec}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
