"""Checks formats of dates and times in the letters of `strftime`, and converts them to regular expressions.

Imports only the standard library. Names of months and days are English in every locale.
"""

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_ENDS = ["uary", "ruary", "ch", "il", "", "e", "y", "ust", "(?:t(?:ember)?)?", "ober", "ember", "ember"]
_DAYS = "(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
ZONE = r"(?:z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)"
"""A distance from UTC, in lower-case letters."""
NAMED_ZONE = r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+"
"""A zone of the IANA database with its region: `Europe/Berlin`. Abbreviations such as `CST` are shared by several."""

_NUMBERS = {
    "Y": (4, 4), "y": (2, 2), "m": (1, 2), "d": (1, 2), "e": (1, 2), "j": (1, 3), "H": (1, 2), "I": (1, 2),
    "M": (1, 2), "S": (1, 2), "f": (1, 9),
}  # fmt: skip
"""Fewest and most digits of each number."""
_WORDS = {
    "b": "(?i:" + "|".join(f"{month}(?:{end})?" for month, end in zip(_MONTHS, _ENDS, strict=True)) + ")",
    "a": f"(?i:{_DAYS})",
    "p": r"(?i:[ap]\.?m\.?)",
    "z": f"(?i:{ZONE})",
    "Z": f"(?:{NAMED_ZONE}|(?i:z|utc|gmt))",
}
_SAME = {"e": "d", "B": "b", "A": "a", "h": "b"}
_ALLOWED = "%Y %y %m %b %B %d %e %j %a %A %H %I %p %M %S %f %z %Z %%"
_PARTS = re.compile(r"%(.)|(\s+)|([^%\s]+)|(%)$", re.DOTALL)

ISO = (
    r"^\s*(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[Tt ]\s*(?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    rf"\s*(?:(?P<z>(?i:{ZONE}))(?:\[{NAMED_ZONE}\])?|(?P<Z>{NAMED_ZONE}))?)?\s*$"
)
"""ISO 8601 and what databases make of it: a blank for the T, up to nine decimals, `UTC`, `+00`, ` +0530`,
`Europe/Berlin`, `+01:00[Europe/Berlin]`."""


def problem_of(written: str) -> str:
    """Describes what is wrong with a format; empty if it is valid."""
    letters = [match[1] or "%" for match in _PARTS.finditer(written) if match[1] or match[4]]
    if unknown := [letter for letter in letters if letter not in _NUMBERS | _WORDS | _SAME | {"%": ""}]:
        return f"%{unknown[0]} is not known; allowed: {_ALLOWED}"
    if written.endswith("%") and not written.endswith("%%"):
        return "ends in a % without a letter"
    names = [_SAME.get(letter, letter) for letter in letters if letter != "%"]
    if twice := [name for name in names if names.count(name) > 1]:
        return f"{written!r} has %{twice[0]} twice"
    return _incomplete(written, set(names))


def _incomplete(written: str, names: set[str]) -> str:
    for one, other in (("Y", "y"), ("m", "b"), ("H", "I"), ("j", "m"), ("j", "b"), ("j", "d"), ("z", "Z")):
        if {one, other} <= names:
            return f"{written!r} has both %{one} and %{other}; one of them is enough"
    if not (names & {"Y", "y"} and ("j" in names or (names & {"m", "b"} and "d" in names))):
        return f"{written!r} lacks year, month or day; such as '%d.%m.%Y' or '%m/%d/%y'"
    if "I" in names and "p" not in names:
        return f"{written!r} has %I, an hour from 1 to 12, without %p (am or pm)"
    for later, earlier in (
        ("f", {"S"}),
        ("S", {"M"}),
        ("M", {"H", "I"}),
        ("z", {"H", "I"}),
        ("Z", {"H", "I"}),
        ("p", {"H", "I"}),
    ):
        if later in names and not names & earlier:
            return f"{written!r} has %{later} without {' or '.join(f'%{name}' for name in sorted(earlier))}"
    return ""


def pattern_of(written: str) -> str:
    """Regular expression of a valid format, with groups named by the letters."""
    parts = list(_PARTS.finditer(written))
    digits = [_SAME.get(part[1], part[1]) in _NUMBERS if part[1] else False for part in parts]
    pattern = ""
    for place, part in enumerate(parts):
        name = _SAME.get(part[1], part[1]) if part[1] else ""
        if name in _NUMBERS:
            fewest, most = _NUMBERS[name]
            # Next to other digits, a number has its usual width: 20261122.
            besides = name != "f" and (any(digits[place + 1 : place + 2]) or (place > 0 and digits[place - 1]))
            blank = "" if besides or name == "f" else r"\s?"
            pattern += f"{blank}(?P<{name}>[0-9]{{{most if besides else fewest},{most}}})"
        elif name in _WORDS:
            pattern += f"(?P<{name}>{_WORDS[name]})"
        else:
            pattern += r"\s+" if part[2] else re.escape(part[3] or "%")
    return rf"^\s*{pattern}\s*$"
