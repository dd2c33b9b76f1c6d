"""What shell commands in a notebook (``!ls``, ``%%bash``) do to files and to the environment.

A command that is not in these tables can do anything: it is a barrier.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Final

from orchestra_nb.notebooks.abstract_values import WILDCARD

#: Commands that only look, at files among other things.
_READING: Final = frozenset(
    """
    ls ll la cat head tail wc file du df grep egrep fgrep zgrep rg sort uniq cut tr tree stat md5sum sha1sum sha256sum
    sha512sum cksum less more zcat bzcat xzcat column nl od xxd hexdump strings diff cmp comm join paste rev basename
    dirname realpath readlink jq yq ffprobe identify awk
    """.split()
)
#: Commands that tell something of the machine, and touch no files.
_LOOKING: Final = frozenset(
    """
    nvidia-smi nvcc which whereis whoami hostname uname date pwd free lscpu lsb_release uptime ps env printenv id
    groups sleep true echo printf nproc lsblk lspci ifconfig ping seq cal tput clear type arch
    """.split()
)
#: Commands whose arguments (without options) are files that they write.
_WRITING: Final = frozenset("touch mkdir rm rmdir tee truncate chmod chown ln cp mv rsync".split())
#: Commands that write files of which the names are not all known.
_UNPACKING: Final = frozenset(
    "unzip tar gunzip gzip bzip2 bunzip2 xz unxz zip 7z wget curl gdown kaggle aria2c aws gsutil".split()
)
_INSTALLERS: Final = frozenset("pip pip3 conda mamba micromamba uv apt apt-get brew npm".split())
_VERSIONS: Final = frozenset({"--version", "-V", "--help", "-h"})
#: Sub-commands that change nothing.
_HARMLESS_SUBCOMMANDS: Final = {
    "git": frozenset("status log diff show branch rev-parse describe remote blame ls-files".split()),
    "pip": frozenset("list show freeze check index config debug help".split()),
    "pip3": frozenset("list show freeze check index config debug help".split()),
    "conda": frozenset("list info search".split()),
    "jupyter": frozenset("--version --paths --data-dir kernelspec".split()),
}


@dataclass(slots=True)
class ShellEffect:
    """What a command line does; ``unknown`` is the command that can do anything, or None."""

    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    installs: bool = False
    unknown: str | None = None


def shell_effect(text: str) -> ShellEffect:
    """Return what a shell line, or several, does; what IPython fills in (``{x}``, ``$x``) are gaps.

    Examples
    --------
    >>> shell_effect("head -3 data/raw.csv | wc -l").reads
    ['data/raw.csv']
    >>> shell_effect("make all").unknown
    'make'
    """
    effect = ShellEffect()
    text = re.sub(r"\{[^{}]*\}|\$\{?\w+\}?", WILDCARD, text)
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            _line_effect(line, effect)
    return effect


def _line_effect(line: str, effect: ShellEffect) -> None:
    if "`" in line or "$(" in line or "<<" in line:
        effect.unknown = effect.unknown or line.split()[0]
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        effect.unknown = effect.unknown or line.split()[0]
        return
    command: list[str] = []
    redirect = ""
    for word in words:
        if word and set(word) <= set("|&;()"):
            _command_effect(command, effect)
            command = []
        elif word and set(word) <= set("<>&"):
            redirect = word
            if command and command[-1].isdigit():
                command.pop()
        elif redirect:
            if not word.startswith(("/dev/", "&")) and not word.isdigit():
                (effect.reads if redirect.startswith("<") else effect.writes).append(word)
                if redirect == ">>":
                    effect.reads.append(word)
            redirect = ""
        else:
            command.append(word)
    _command_effect(command, effect)


def _command_effect(command: list[str], effect: ShellEffect) -> None:
    while command and re.fullmatch(r"[A-Za-z_]\w*=.*", command[0]):
        command = command[1:]
    if command and command[0] in ("sudo", "time", "nohup", "exec"):
        command = command[1:]
    if not command:
        return
    name, rest = command[0].rpartition("/")[2], command[1:]
    arguments = [word for word in rest if not word.startswith("-")]
    if rest and set(rest) <= _VERSIONS:
        return
    if name in ("python", "python3") and rest[:1] == ["-m"] and len(rest) > 1:
        name, rest = rest[1], rest[2:]
        arguments = [word for word in rest if not word.startswith("-")]
    if rest and rest[0] in _HARMLESS_SUBCOMMANDS.get(name, ()):
        return
    if name in _LOOKING:
        return
    if name in _READING:
        effect.reads.extend(arguments or ["."])
    elif name == "find" and not any(word in ("-delete", "-exec", "-execdir", "-ok", "-fprint") for word in rest):
        effect.reads.extend(arguments[:1] or ["."])
    elif name in ("cp", "mv", "rsync") and len(arguments) >= 2:
        effect.reads.extend(arguments[:-1])
        effect.writes.extend(arguments if name == "mv" else arguments[-1:])
    elif name in _WRITING:
        effect.writes.extend(arguments)
    elif name == "sed" and not any(word.startswith("-i") or word == "--in-place" for word in rest):
        effect.reads.extend(arguments[1:])
    elif name in _UNPACKING:
        effect.reads.extend(arguments)
        effect.writes.append(WILDCARD)
    elif name in _INSTALLERS:
        effect.installs = True
        effect.reads.extend(word for word in arguments if word.endswith((".txt", ".toml", ".yml", ".yaml")))
    elif name == "cd" and len(command) <= 2:
        return  # of the subshell alone
    else:
        effect.unknown = effect.unknown or name
