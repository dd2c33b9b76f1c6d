"""The titles of our settings and menus in JupyterLab's language.

JupyterLab's server translates those itself, but reads the words of other packages only for what runs in the browser
(``jupyterlab_server.translation_utils``: it looks for ``.mo`` files in the language pack alone). So it is given ours.
"""

from __future__ import annotations

import logging

from orchestra_nb.server.languages import DOMAIN, words_in


def offer_titles(log: logging.Logger) -> None:
    """Have JupyterLab's server take the titles from our catalogues, where there is such a server."""
    try:
        from jupyterlab_server.translation_utils import TranslationBundle, translator
    except ImportError:
        return

    class Titles(TranslationBundle):
        """Our words in place of a ``.mo`` file."""

        def pgettext(self, msgctxt: str, msgid: str) -> str:
            """Return a text of a schema; as it is where it is not translated."""
            forms = words_in(self._locale.replace("_", "-")).get(f"{msgctxt}\u0004{msgid}", [msgid])
            return str(forms[0])

    known = getattr(translator, "_TRANSLATORS", None)
    if isinstance(known, dict):
        known[DOMAIN] = Titles(DOMAIN, getattr(translator, "_LOCALE", "en"))
    else:
        log.warning("Orchestra's settings have English titles: this jupyterlab-server keeps translations elsewhere.")
