"""Ids that sort by time, and short names that people remember."""

from __future__ import annotations

from datetime import datetime

_ADJECTIVES = (
    "able agile amber apt azure bold brave bright brisk calm clear clever cosy crisp deft eager early fair fleet fond "
    "frank fresh gentle glad golden grand happy hardy honest humble jolly keen kind light lively loyal lucky mellow "
    "merry mild modest neat nimble noble plain polite prime prompt proud quick quiet rapid ready robust rosy royal "
    "sage sharp silent silver simple sleek smart smooth snug solid sound spry steady still stout sunny sure swift "
    "tidy true trusty vivid warm wary wise witty zesty"
).split()
_ANIMALS = (
    "adder ant auk badger bat bear beaver bee bison boar buck bull camel carp cat cobra cod colt condor coot crab "
    "crane crow deer dingo dove drake duck eagle eel egret elk emu ermine falcon finch fox frog gecko gibbon goat "
    "goose grouse gull hare hawk heron hippo horse ibex ibis jackal jay kite kiwi koala lark lemur lion lizard llama "
    "lynx macaw magpie marten mink mole moose moth mouse mule newt ocelot okapi orca oriole osprey otter owl ox panda "
    "parrot perch pigeon pike pony puffin puma quail rabbit raven robin rook salmon seal shrew skunk sloth snail "
    "snipe sparrow squid stag stoat stork swan swift tapir tern thrush tiger toad trout turtle viper vole walrus "
    "wasp weasel whale wolf wombat wren yak zebra"
).split()


def new_id(now: datetime, random_bits: int) -> str:
    """Return 32 hexadecimal digits that sort by ``now``: the layout of a version 7 UUID (RFC 9562, section 5.7).

    Parameters
    ----------
    random_bits
        At least 74 random bits, such as ``secrets.randbits(74)``.
    """
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    high, low = random_bits >> 62 & 0xFFF, random_bits & (1 << 62) - 1
    return f"{milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low:032x}"


def run_name(run_id: str) -> str:
    """Return the memorable name that belongs to an id, such as ``"calm-fox"``: the same for the same id."""
    number = int(run_id[-12:], 16)
    number, adjective = divmod(number, len(_ADJECTIVES))
    return f"{_ADJECTIVES[adjective]}-{_ANIMALS[number % len(_ANIMALS)]}"
