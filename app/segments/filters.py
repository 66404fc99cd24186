"""Filters: `purchases > 3 and last_seen within 30 days`, read into what it says of a profile."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

MOST_CHARACTERS = 2000
MOST_CONDITIONS = 20

_END = r"(?![^\s()'\"=!<>])"
_GRAMMAR = rf"""
?start: either
?either: every (_OR every)*
?every: part (_AND part)*
?part: condition | "(" either ")" | _NOT part -> opposite

?condition: name COMPARISON match          -> compared
          | name CONTAINS match            -> compared
          | name _DOES _NOT CONTAIN match  -> compared_not
          | name WITHIN NUMBER _DAYS       -> compared
          | name EXISTS                    -> compared
          | name _DOES _NOT EXIST          -> compared_not
?name: NAME | TEXT
?match: WORD | TEXT

COMPARISON: /[<>]=?|!?=|is\s+not{_END}|is{_END}/i
NUMBER: /[0-9]{{1,5}}{_END}/
NAME: /[^\s()'"=!<>]+/
WORD: /[^\s()'"=!<>]+/
TEXT: /'([^']|'')*'|"([^"]|"")*"/
CONTAINS.2: /contains{_END}/i
CONTAIN.2: /contain{_END}/i
EXISTS.2: /exists{_END}/i
EXIST.2: /exist{_END}/i
WITHIN.2: /within{_END}/i
_OR.2: /or{_END}/i
_AND.2: /and{_END}/i
_NOT.2: /not{_END}/i
_DOES.2: /does{_END}/i
_DAYS.2: /days?{_END}/i
%ignore /\s+/
"""

_SAID = {
    "NAME": "the key of a property",
    "WORD": "what to compare with: a word, a number or a text in quotation marks",
    "NUMBER": "a number of days",
    "COMPARISON": "= != > >= < <= is",
    "LPAR": "(",
    "RPAR": ")",
    "$END": "the end",
}
"""What can stand somewhere, in order; where there is no word for it, it is a keyword."""


class Operator(StrEnum):
    """How a condition compares; all else that can be said is the opposite of one of these."""

    EQUALS = "="
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    CONTAINS = "contains"
    WITHIN = "within"
    EXISTS = "exists"


class Word(NamedTuple):
    """A part of a filter, and where it begins."""

    text: str
    place: int


@dataclass(frozen=True)
class Condition:
    """Something said of one property; `match` is None where nothing is compared."""

    key: Word
    operator: Operator
    match: Word | None = None


@dataclass(frozen=True)
class Opposite:
    """Holds where its part does not: also where a property has no value."""

    part: "Expression"


@dataclass(frozen=True)
class Every:
    """All parts hold."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Either:
    """At least one part holds."""

    parts: tuple["Expression", ...]


Expression = Condition | Opposite | Every | Either


class InvalidFilter(ValueError):
    """Raised when a filter can't be understood, or asks for what can't be: `place` is the character, from 0 on."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


def parse(text: str) -> Expression:
    """What the filter says. Raises InvalidFilter, which names the word and what could stand there."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidFilter(f"it has {len(text)} characters: at most {MOST_CHARACTERS} are read", MOST_CHARACTERS)
    try:
        expression: Expression = _parser().parse(text)  # type: ignore[assignment]  # _Reading makes no trees
    except UnexpectedInput as error:
        raise _unreadable(text, error) from None
    found = list(conditions(expression))
    if len(found) > MOST_CONDITIONS:
        raise InvalidFilter(f"it has {len(found)} conditions: at most {MOST_CONDITIONS} are read", found[-1].key.place)
    return expression


def conditions(expression: Expression) -> Iterator[Condition]:
    """The conditions that it is made of, in order."""
    match expression:
        case Condition():
            yield expression
        case Opposite(part):
            yield from conditions(part)
        case Every(parts) | Either(parts):
            for part in parts:
                yield from conditions(part)


@v_args(inline=True)
class _Reading(Transformer[Token, Expression]):
    """Each method makes what the rule of its name says. Nothing nests deeper than there are conditions."""

    def either(self, *parts: Expression) -> Expression:
        return Either(parts)

    def every(self, *parts: Expression) -> Expression:
        return Every(parts)

    def opposite(self, part: Expression) -> Expression:
        return part.part if isinstance(part, Opposite) else Opposite(part)

    def compared(self, key: Token, operator: Token, match: Token | None = None) -> Expression:
        said = " ".join(operator.lower().split())
        if said in ("!=", "is not"):
            return Opposite(Condition(_word(key), Operator.EQUALS, _word(match)))
        return Condition(_word(key), _OPERATORS.get(said) or Operator(said), _word(match) if match is not None else None)

    def compared_not(self, key: Token, operator: Token, match: Token | None = None) -> Expression:
        return Opposite(self.compared(key, operator, match))


_OPERATORS = {"is": Operator.EQUALS, "contain": Operator.CONTAINS, "exist": Operator.EXISTS}


def _word(token: Token | None) -> Word:
    assert token is not None
    quotation = token[0] if token.type == "TEXT" else ""
    text = token[1:-1].replace(quotation * 2, quotation) if quotation else str(token)
    return Word(text, token.start_pos or 0)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Reading())


def _unreadable(text: str, error: UnexpectedInput) -> InvalidFilter:
    if isinstance(error, UnexpectedToken):
        found, place, possible = str(error.token), error.token.start_pos or 0, error.accepts
    else:
        assert isinstance(error, UnexpectedCharacters) and error.pos_in_stream is not None
        found, place, possible = text[error.pos_in_stream], error.pos_in_stream, error.allowed
    where = f"at character {place + 1} stands {found!r}" if found else "it ends too early"
    return InvalidFilter(f"{where}; what can stand there is {_list(possible or set())}", place if found else len(text))


def _list(terminals: set[str]) -> str:
    named = [said for name, said in _SAID.items() if name in terminals]
    return ", ".join([*named, *sorted(name.strip("_").lower() for name in terminals - _SAID.keys() - {"TEXT"})])
