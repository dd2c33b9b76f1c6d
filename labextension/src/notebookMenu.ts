/** The button in a notebook's toolbar that opens what can be done with the notebook as a flow. */

import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { MenuSvg, caretDownEmptyIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';

import { html, setAttributes } from './drawing/elements';
import { orchestraIcon } from './icon';

/** What the button needs. */
export interface INotebookMenuOptions {
  readonly commands: CommandRegistry;
  /** The ids of the commands in their order; those that are not there are left out. */
  readonly items: readonly string[];
  /** Give the notebook's path as it is now. */
  readonly path: () => string;
  readonly trans: TranslationBundle;
}

/** A menu button after the ARIA pattern: Enter, Space and the down arrow open it, Escape leads back to it. */
export class NotebookMenuButton extends Widget {
  constructor(private readonly _options: INotebookMenuOptions) {
    super();
    this.addClass('orc-menu-button');
    const { commands, trans } = _options;
    this._menu = new MenuSvg({ commands });
    this._button = html('button', {
      type: 'button',
      class: 'orc-toolbar-button',
      title: trans.__('Run this notebook as a flow: now, in the background, or by itself at times'),
      'aria-label': trans.__('Run as flow'),
      'aria-haspopup': 'menu',
      'aria-expanded': 'false'
    });
    orchestraIcon.element({ container: this._button.appendChild(html('span')) });
    caretDownEmptyIcon.element({ container: this._button.appendChild(html('span')) });
    this._button.addEventListener('click', event => this._open(event.detail === 0));
    this._button.addEventListener('keydown', event => {
      if (event.key === 'ArrowDown') {
        event.preventDefault();
        event.stopPropagation();
        this._open(true);
      }
    });
    this._menu.aboutToClose.connect(() => {
      setAttributes(this._button, { 'aria-expanded': 'false' });
      // before the chosen command, so that its dialog gives the focus back to the button
      this._button.focus();
    });
    this.node.append(this._button);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._menu.dispose();
      super.dispose();
    }
  }

  /** @param isByKey - whether the first item is made the active one */
  private _open(isByKey: boolean): void {
    const { commands, items, path } = this._options;
    const args = { path: path(), isToolbar: true };
    this._menu.clearItems();
    for (const command of items.filter(id => commands.hasCommand(id))) {
      this._menu.addItem({ command, args });
    }
    const { left, bottom } = this._button.getBoundingClientRect();
    setAttributes(this._button, { 'aria-expanded': 'true' });
    this._menu.open(left, bottom);
    this._menu.node.focus(); // at once: a key that comes before JupyterLab's own turn is the menu's
    if (isByKey) {
      this._menu.activateNextItem();
    }
  }

  private readonly _button: HTMLButtonElement;
  private readonly _menu: MenuSvg;
}
