"""The catalogue of Chinese: what is shown, by its English sentence, in one file for each place where it is shown.

Places in braces may stand anywhere in the Chinese sentence. Names that are typed (of activations, initialisations, data
and dtypes) stay as they are; in a table of settings their word stands before them (`report/values`).
"""

from vanishlab.language.chinese_coordinates import COORDINATES
from vanishlab.language.chinese_experiments import EXPERIMENTS
from vanishlab.language.chinese_findings import FINDINGS
from vanishlab.language.chinese_help import HELP
from vanishlab.language.chinese_notebook import NOTEBOOK
from vanishlab.language.chinese_pictures import PICTURES
from vanishlab.language.chinese_playground import PLAYGROUND
from vanishlab.language.chinese_predictions import PREDICTIONS
from vanishlab.language.chinese_published import PUBLISHED
from vanishlab.language.chinese_published_later import PUBLISHED_LATER
from vanishlab.language.chinese_published_pictures import PUBLISHED_PICTURES
from vanishlab.language.chinese_report import REPORT
from vanishlab.language.chinese_terminal import TERMINAL
from vanishlab.language.chinese_verdicts import VERDICTS

CHINESE: dict[str, str] = (
    PICTURES | PREDICTIONS | VERDICTS | FINDINGS | COORDINATES | PLAYGROUND | NOTEBOOK | REPORT | TERMINAL
) | (HELP | EXPERIMENTS | PUBLISHED | PUBLISHED_LATER | PUBLISHED_PICTURES)
