"""The language of what is shown, English or Chinese: one `say`, one list of languages, one catalogue.

    from vanishlab.language import say, speaking

    with speaking("zh"):
        say("after {steps} steps", steps=200)

`sentences` says them; `chinese` is the catalogue, made of a file `chinese_PLACE` for each place where sentences are
shown; `refusals` translates what is refused, `numbers` writes numbers.
"""

from vanishlab.language.sentences import LANGUAGES, LanguageName, listed, say, speaking, spoken, wrapped

__all__ = ["LANGUAGES", "LanguageName", "listed", "say", "speaking", "spoken", "wrapped"]
