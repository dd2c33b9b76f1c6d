/** Tells whether the front end around the widget is dark, whichever front end it is. */

const DARK = '(prefers-color-scheme: dark)';

/** Tell whether the page is dark: by the marks of JupyterLab, VS Code and Colab, else by the system's setting. */
export function isDark(page: Document = document): boolean {
  const light = page.body.dataset.jpThemeLight;
  if (light !== undefined) {
    return light === 'false';
  }
  const kind = page.body.dataset.vscodeThemeKind;
  if (kind !== undefined) {
    return kind.includes('dark') || kind === 'vscode-high-contrast';
  }
  const theme = page.documentElement.getAttribute('theme');
  if (theme !== null) {
    return theme === 'dark';
  }
  return page.defaultView?.matchMedia?.(DARK).matches ?? false;
}

/** Call `show` now and whenever the theme changes, until the returned function is called. */
export function followTheme(show: (dark: boolean) => void): () => void {
  const tell = (): void => show(isDark());
  const system = window.matchMedia(DARK);
  const observer = new MutationObserver(tell);
  const attributeFilter = ['data-jp-theme-light', 'data-vscode-theme-kind', 'theme'];
  observer.observe(document.body, { attributeFilter });
  observer.observe(document.documentElement, { attributeFilter });
  system.addEventListener('change', tell);
  tell();
  return () => {
    observer.disconnect();
    system.removeEventListener('change', tell);
  };
}
