"""Draws the pictures that README shows, from the experiments' default settings, into this folder.

Run     python experiments/pictures/draw.py               # four to five minutes on two CPU cores
        python experiments/pictures/draw.py --language zh # those of README.zh-CN, into the folder zh
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from vanishlab.language.sentences import LANGUAGES

HERE = Path(__file__).parent
PICTURES = {
    "learning_rates": "story.png",
    "remedies": "league.png",
    "linear_regression": "path.png",
    "theory": "sigmoid.png",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    language = parser.parse_args().language
    out = HERE if language == "en" else HERE / language
    out.mkdir(exist_ok=True)
    for experiment, picture in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            script = HERE.parent / f"{experiment}.py"
            subprocess.run([sys.executable, script, "--out", folder, "--language", language], check=True)
            with Image.open(Path(folder) / picture) as drawn:  # a palette of 256 colours makes a third of the file
                small = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            small.save(out / f"{experiment}.png", optimize=True)


if __name__ == "__main__":
    main()
