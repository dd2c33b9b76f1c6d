"""Writes the template and the catalogues of the words that people read, from the source; ``make catalogue``.

``orchestra_nb/locale`` gets the template (``.pot``), what each language says (``.po``, whose translations stay) and the
same as JSON, which is all that is read at run time: by JupyterLab, by our own pages and for the titles of settings.
``--check`` writes nothing and says what is not as the source has it, not translated, or translated wrongly.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from gettext import c2py
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).parent.parent
LOCALE: Final = ROOT / "orchestra_nb" / "locale"
#: As the plugins of ``labextension/src/plugins`` load it.
DOMAIN: Final = "orchestra_nb"

_TEMPLATE: Final = LOCALE / f"{DOMAIN}.pot"
_TEMPLATE_HEAD: Final = "# The words of Orchestra NB in English. Written by `make catalogue`: not to be edited."
_PLACE_HOLDER: Final = re.compile(r"%\d+")
#: Numbers among which each form of each language is needed.
_COUNTS: Final = (*range(1000), 1_000_000)


class CatalogueError(Exception):
    """What keeps the catalogues from being written, a line each."""


def template(sources: Path = ROOT / "labextension") -> Catalog:
    """Return the messages of a folder with ``src`` and ``schema``."""
    command = ["node", str(ROOT / "labextension/scripts/messages.mjs"), str(sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CatalogueError(done.stderr.strip())
    catalogue = Catalog(domain=DOMAIN, header_comment=_TEMPLATE_HEAD)
    for message in json.loads(done.stdout):
        catalogue.add(
            _id_of(message["id"], message["plural"]),
            locations=[(f"labextension/{place}", None) for place in message["places"]],
            context=message["context"],
        )
    return catalogue


def add_server_words(catalogue: Catalog) -> None:
    """Add the texts of the server: such as views translate (``serverText``), and such as it translates itself."""
    from orchestra_nb.operations.alerts import NO_SERVICE
    from orchestra_nb.operations.pool_schemas import schema_words
    from orchestra_nb.server.sentences import ALL_SENTENCES

    for module, texts in {
        "operations/alerts": [NO_SERVICE],
        "operations/pool_schemas": schema_words(),
        "server/sentences": ALL_SENTENCES,
    }.items():
        for text in texts:
            catalogue.add(text, locations=[(f"orchestra_nb/{module}.py", None)])


def translated(path: Path, words: Catalog) -> Catalog:
    """Return the catalogue of a language with exactly the messages of the template; what is new has no translation."""
    with path.open("rb") as file:
        old = read_po(file, locale=path.parent.parent.name, domain=DOMAIN)
    catalogue = Catalog(locale=old.locale, domain=DOMAIN, header_comment=old.header_comment)
    for message in words:
        if message.id:
            known = old.get(message.id, message.context)
            is_same = known is not None and known.id == message.id
            catalogue.add(
                message.id,
                known.string if known is not None and is_same else None,
                message.locations,
                user_comments=known.user_comments if known is not None else (),
                context=message.context,
            )
    return catalogue


def problems(catalogue: Catalog) -> Iterator[str]:
    """Give what is wrong with the translations of a language, one sentence each."""
    for message in catalogue:
        if not message.id:
            continue
        texts = _texts(message)
        if len(texts) != (catalogue.num_plurals if message.pluralizable else 1) or not all(texts):
            yield f"{catalogue.locale}: {_shown(message)} is not translated."
            continue
        wanted = _place_holders(message.id if isinstance(message.id, str) else message.id[-1])
        for text in texts:
            if _place_holders(text) != wanted:
                yield f"{catalogue.locale}: {text!r} is to have the same places for values as {_shown(message)}."


def as_json(catalogue: Catalog) -> str:
    """Return a language as JupyterLab reads it: a head, and forms by message, with its context and U+0004 before it."""
    head = {
        "domain": DOMAIN,
        "language": str(catalogue.locale).replace("_", "-"),
        "plural_categories": _plural_categories(catalogue),
        "plural_forms": catalogue.plural_forms,
    }
    words: dict[str, Any] = {"": head}
    for message in catalogue:
        texts = _texts(message)
        if message.id and all(texts):
            single = message.id if isinstance(message.id, str) else message.id[0]
            words[f"{message.context}\u0004{single}" if message.context else single] = texts
    return json.dumps(words, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def files() -> tuple[dict[Path, str], list[str]]:
    """Return each file of the catalogues with what is to stand in it, and what translators have yet to do."""
    words = template()
    add_server_words(words)
    found = {_TEMPLATE: _as_po(words)}
    wrong: list[str] = []
    for path in sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        catalogue = translated(path, words)
        found |= {path: _as_po(catalogue), path.with_suffix(".json"): as_json(catalogue)}
        wrong += problems(catalogue)
    return found, wrong


def _id_of(text: str, plural: str | None) -> str | tuple[str, str]:
    return text if plural is None else (text, plural)


def _texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or [""])


def _shown(message: Message) -> str:
    single = message.id if isinstance(message.id, str) else message.id[0]
    places = ", ".join(place for place, _ in message.locations)
    return f"{single!r} ({places})"


def _place_holders(text: str) -> set[str]:
    return set(_PLACE_HOLDER.findall(text))


def _plural_categories(catalogue: Catalog) -> dict[str, int]:
    """Return the place of the form for each category of ``Intl.PluralRules``, so that pages need no parser."""
    assert catalogue.locale is not None
    form_of = c2py(catalogue.plural_expr)
    found: dict[str, int] = {}
    for count in _COUNTS:
        category = catalogue.locale.plural_form(count)
        if found.setdefault(category, form_of(count)) != form_of(count):
            raise CatalogueError(f"{catalogue.locale}: {catalogue.plural_expr} is not as Unicode's rule for {count}.")
    return dict(sorted(found.items()))


def _as_po(catalogue: Catalog) -> str:
    # a head without dates and versions: the file is to change only where words do
    head = ["Project-Id-Version: Orchestra NB"]
    if catalogue.locale is not None:
        head += [f"Language: {catalogue.locale}", f"Plural-Forms: {catalogue.plural_forms}"]
    head += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    lines = [catalogue.header_comment, 'msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in head), "", ""]
    buffer = BytesIO()
    write_po(buffer, catalogue, width=100, include_lineno=False, omit_header=True)
    return "\n".join(lines) + buffer.getvalue().decode()


def main() -> None:
    """Write the files, or check them."""
    try:
        found, wrong = files()
    except CatalogueError as error:
        sys.exit(str(error))
    if sys.argv[1:] == ["--check"]:
        old = [path for path, text in found.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        wrong = [f"{path.relative_to(ROOT)} is not what the source says. Run: make catalogue" for path in old] + wrong
    else:
        for path, text in found.items():
            path.write_text(text, encoding="utf-8")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
