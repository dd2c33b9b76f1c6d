/** Tabs after the ARIA pattern: arrows choose, and what a tab shows is made when it is chosen the first time. */

import { html, setAttributes } from '../drawing/elements';

/** One tab. */
export interface ITab {
  readonly key: string;
  readonly label: string;
}

let groups = 0;

/** Draws the tabs and their panels. */
export class Tabs {
  /** @param onShow - called with the key and the panel when a tab is chosen */
  constructor(
    tabs: readonly ITab[],
    label: string,
    private readonly _onShow: (key: string, panel: HTMLElement) => void
  ) {
    groups += 1;
    const list = html('div', { class: 'orc-tabs', role: 'tablist', 'aria-label': label });
    this.node.append(list);
    for (const { key, label: text } of tabs) {
      const id = `orc-tab-${groups}-${key}`;
      const tab = html('button', {
        type: 'button',
        class: 'orc-tab',
        role: 'tab',
        id,
        'data-tab': key,
        'aria-controls': `${id}-panel`
      });
      tab.append(text);
      const panel = html('div', {
        class: 'orc-tab-panel',
        role: 'tabpanel',
        id: `${id}-panel`,
        'aria-labelledby': id,
        hidden: true
      });
      tab.addEventListener('click', () => this.choose(key));
      this._tabs.set(key, { tab, panel });
      list.append(tab);
      this.node.append(panel);
    }
    list.addEventListener('keydown', event => this._onKey(event));
  }

  readonly node = html('div', { class: 'orc-tabbed' });

  /** The key of the chosen tab; empty before the first choice. */
  get chosen(): string {
    return this._chosen;
  }

  /** Tell whether there is such a tab that can be chosen. */
  has(key: string): boolean {
    return this._tabs.get(key)?.tab.hidden === false;
  }

  /** Choose a tab. */
  choose(key: string): void {
    if (!this.has(key)) {
      return;
    }
    this._chosen = key;
    for (const [other, { tab, panel }] of this._tabs) {
      const isChosen = other === key;
      setAttributes(tab, { 'aria-selected': String(isChosen), tabindex: isChosen ? 0 : -1 });
      panel.hidden = !isChosen;
    }
    const panel = this._tabs.get(key)?.panel;
    if (panel !== undefined) {
      this._onShow(key, panel);
    }
  }

  /** Show or hide a tab; one that is hidden is not chosen. */
  setHidden(key: string, isHidden: boolean): void {
    const tab = this._tabs.get(key)?.tab;
    if (tab !== undefined) {
      tab.hidden = isHidden;
    }
  }

  private _onKey(event: KeyboardEvent): void {
    const keys = [...this._tabs].filter(([, { tab }]) => !tab.hidden).map(([key]) => key);
    const at = keys.indexOf(this._chosen);
    const wanted = {
      ArrowRight: keys[(at + 1) % keys.length],
      ArrowLeft: keys[(at - 1 + keys.length) % keys.length],
      Home: keys[0],
      End: keys[keys.length - 1]
    }[event.key];
    if (wanted !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      this.choose(wanted);
      this._tabs.get(wanted)?.tab.focus();
    }
  }

  private _chosen = '';
  private readonly _tabs = new Map<string, { tab: HTMLButtonElement; panel: HTMLElement }>();
}
