"""Draws the pictures that README shows, from the experiments' default settings, into this folder.

Run     python experiments/pictures/draw.py               # four to five minutes on two CPU cores
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = {
    "learning_rates": "delta_rms_at_start.png",
    "remedies": "league.png",
    "linear_regression": "path.png",
}


def main() -> None:
    for experiment, picture in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, HERE.parent / f"{experiment}.py", "--out", folder], check=True)
            shutil.copyfile(Path(folder) / picture, HERE / f"{experiment}.png")


if __name__ == "__main__":
    main()
