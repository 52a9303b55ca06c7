"""How many examples a record is of, as far as it knows."""

from vanishlab.recording.facts import MOST, MOST_ENTRIES
from vanishlab.recording.record import Record


def examples_of(record: Record) -> int | None:
    """Return how many examples a step saw, None where the record does not know."""
    facts = record.facts.get(record.layer_names[0]) if record.layer_names else None
    return facts.examples if facts is not None and facts.examples > 0 else None


def compared_examples(record: Record) -> int | None:
    """Return how many examples were compared in pairs, None where a layer may be too large for `MOST` of them."""
    examples = examples_of(record)
    if examples is None or any(2 * MOST * facts.units > MOST_ENTRIES for facts in record.facts.values()):
        return None
    return min(examples, MOST)
