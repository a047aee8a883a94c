"""English articles for the names of things: "an umbrella", "a unicorn", "grapes", "water", "the Eiffel Tower".

Whether a name is written in capitals changes nothing, because nothing that reads the result tells them apart. So a
proper name that no list below holds gets an article ("a Paris"): its capital could be that of any heading.
"""

from __future__ import annotations

import re

# A phrase that begins with one of these needs no article any more.
_DETERMINED = re.compile(
    r"(?:a|an|the|this|that|these|those|some|any|no|every|each|all|both|many|few|several|one"
    r"|my|your|his|her|its|our|their|mount|mr|mrs|ms)(?: |$)"
)
# Whole names that take no article although they look singular.
_BARE = frozenset(
    {"ice", "bacon", "soap", "fog", "spaghetti", "salt", "butter", "garlic", "bread", "cooked rice", "curry rice"}
    | {"dna", "popcorn", "falafel", "wood", "coral", "sake", "oden", "thread", "yarn", "sushi", "shaved ice", "luggage"}
    | {"canned food", "skis"}
)
# Nouns that are not counted, as the last word of a name: "fresh water", "wooden furniture".
_MASS = re.compile(
    r"water|snow|sand|rice|grass|milk|cheese|meat|beef|pork|hair|fur|furniture|jewell?ery|jewelry|luggage|baggage"
    r"|equipment|machinery|traffic|rain|lightning|smoke|dust|mud|gold|silver|wool|cotton|leather|music|homework"
    r"|clothing|footwear|graffiti|lava|honey|sugar|flour|pasta|ham|cutlery|pottery|scenery|weather|sunshine|underwear"
    r"|software|spinach|corn|seaweed|moss|gravel|ink"
)
_PLURAL_WITHOUT_S = re.compile(r"people|children|men|women|feet|teeth|mice|geese|oxen|sheep|cattle|police")
_SINGULAR_WITH_S = re.compile(r".*(?:ss|us|is|ros)|s|gas|lens|canvas|atlas|pancreas|cosmos|chaos|series|species")
_JOINING = re.compile(r" (?:with|without|on|over|of|at|and|in|showing|for|from|near|under|behind|beside|between) ")
# By sound, not by letter.
_CONSONANT_SOUND = re.compile(
    r"uni(?!n|m|d)|one\b|once|eu|use|usu|utensil|utop|ufo|ukulele|uran|urin|ubiq|usb\b|ewe|ouija|u\b|u-"
)
_VOWEL_SOUND = re.compile(
    r"hour|honest|honou?r|heir|x-?ray|x ray|(?:suv|mri|rv|mp3|lcd|hd|fm|atm|[fhlmnrsx])\b|8|11\b|18\b"
)


def with_article(name: str) -> str:
    """The name with "a" or "an" where English wants one: not for plurals, what is not counted, or "the ..." itself.

    What does not begin with an English letter or a digit is returned as it is: it is in another language.
    """
    name = name.strip()
    low = name.lower()
    if not low or not (low[0].isascii() and low[0].isalnum()) or takes_none(low):
        return name
    vowel = (low[0] in "aeiou" and not _CONSONANT_SOUND.match(low)) or _VOWEL_SOUND.match(low)
    return f"{'an' if vowel else 'a'} {name}"


def takes_none(low: str) -> bool:
    """Whether a name in small letters stands without an article."""
    if _DETERMINED.match(low) or low in _BARE:
        return True
    last = _JOINING.split(low)[0].split()[-1]
    if _MASS.fullmatch(last) or _PLURAL_WITHOUT_S.fullmatch(last):
        return True
    return last.endswith("s") and not _SINGULAR_WITH_S.fullmatch(last)
