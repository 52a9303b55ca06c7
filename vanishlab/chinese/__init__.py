"""The catalogue of Chinese: what is shown, by its English sentence, in one file for each place where it is shown.

Places in braces may stand anywhere in the Chinese sentence. Names that are typed (of activations, initialisations, data
and dtypes) stay as they are.
"""

from vanishlab.chinese.pictures import PICTURES
from vanishlab.chinese.verdicts import VERDICTS

CHINESE: dict[str, str] = PICTURES | VERDICTS
