"""The language of what is shown, English or Chinese: one `say`, one list of languages, one catalogue.

    from vanishlab.language import say, speaking

    with speaking("zh"):
        say("after {steps} steps", steps=200)

`sentences` says them; `chinese` is the catalogue, made of `chinese_pictures`, `chinese_predictions`,
`chinese_verdicts` and `chinese_playground`.
"""

from vanishlab.language.sentences import LANGUAGES, LanguageName, listed, say, speaking, spoken, wrapped

__all__ = ["LANGUAGES", "LanguageName", "listed", "say", "speaking", "spoken", "wrapped"]
