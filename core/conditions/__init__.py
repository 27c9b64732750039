"""The conditions that cases are about, each with a code of our own that never changes.

What is shown is a label in the reader's language, whatever a post was written in; what is looked for is the code. Which
conditions there are is data: see `table` and docs/conditions.md.
"""

from core.conditions.finding import find, named_in
from core.conditions.table import LANGUAGES, Condition, Link, condition, conditions, label, names_of, of_specialty

__all__ = ("LANGUAGES", "Condition", "Link", "condition", "conditions", "find", "label", "named_in", "names_of", "of_specialty")
