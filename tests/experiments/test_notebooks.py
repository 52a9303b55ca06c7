"""The notebooks: nothing but text in the repository, and every cell runs and shows what it should."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 4 and book["cells"][0]["source"][0].startswith("# ")
    for cell in code:
        assert cell["outputs"] == [] and cell["execution_count"] is None and cell["metadata"] == {}


def test_there_is_one_for_each_story() -> None:
    assert [path.stem[2:] for path in NOTEBOOKS] == ["see_it", "compare_it", "predict_it", "mend_your_own"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own affairs: event loops, sockets, paths
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_pictures_and_cards(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the kernel: where other tests run, threads wait for each other
    nbformat: Any = pytest.importorskip("nbformat")
    nbclient: Any = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    kinds: list[str] = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", output
            # Where this takes more than a second, which is a matter of the machine, it is told.
            said = output.get("text", "") if output.get("name") == "stderr" else ""
            assert not said.replace("compiling the engine, once on this machine ...", "").strip(), output
            kinds += output.get("data", {})
    assert kinds.count("text/html") >= 1 and "image/png" in kinds
