/** The address of a run by its name, such as `/orchestra/runs/calm-fox`: leads to the newest run that is called so. */

import { html, showText } from '../drawing/elements';
import { errorText } from './dialogs';
import { pageLink } from './page';
import type { IPage, IPageContext } from './page';

/** Looks for the run, and goes to its page. */
export class NamedRunPage implements IPage {
  constructor(context: IPageContext, name: string) {
    this.title = name;
    const { texts } = context;
    showText(this._notice, texts.__('Looking for run %1…', name));
    this.node.append(html('h1', {}, name), this._notice, this._problem);
    const tell = (text: string): void => {
      showText(this._notice, '');
      showText(this._problem, text);
    };
    context.pagesApi
      .findRun(name)
      .then(run => {
        if (this._isDisposed) {
          return;
        }
        if (run === null) {
          tell(texts.__('There is no run that is called %1.', name));
          this.node.append(
            html('p', {}, pageLink(html('a', {}, texts.__('Look among all runs')), context, []))
          );
        } else {
          context.goInstead(['runs', name], ['runs', run.run_id]);
        }
      })
      .catch((error: unknown) => tell(errorText(error, texts)));
  }

  readonly node = html('div', { class: 'orc-page' });
  readonly title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    this._isDisposed = true;
    this.node.remove();
  }

  private _isDisposed = false;
  private readonly _notice = html('p', { class: 'orc-empty', role: 'status' });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
}
