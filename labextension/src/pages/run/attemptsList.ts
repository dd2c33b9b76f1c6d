/** Which attempt of a run its page shows, of how many, and what became of each; nothing for a run that was begun once. */

import { formatAgo, formatDuration, formatMoment, secondsRun } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { stateLook } from '../../drawing/states';
import type { IRun } from '../../schemas';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunAttempt } from './runAttempts';

let lists = 0;

/** A button that tells which attempt it is, and opens the list of all: the newest first, read when it is opened. */
export class AttemptsList {
  /** @param _showNotebook - shows the executed notebook of an attempt */
  constructor(
    private readonly _context: IPageContext,
    private readonly _showNotebook: (attempt: number) => void
  ) {
    lists += 1;
    this.node.id = `orc-attempts-${lists}`;
    setAttributes(this.node, { 'aria-label': _context.texts.__('Attempts') });
    setAttributes(this.button, { 'aria-controls': this.node.id, 'aria-expanded': 'false' });
    this.button.addEventListener('click', () => this._toggle());
    this.node.append(this._notice, this._list);
  }

  readonly button = html('button', { type: 'button', class: 'orc-link', hidden: true });
  readonly node = html('section', { class: 'orc-attempts', hidden: true });

  /** Show a newer record of the run. */
  update(run: IRun): void {
    const { texts } = this._context;
    const isOne = run.epoch < 2;
    showText(this.button, isOne ? '' : texts.__('attempt %1 of %2', run.epoch, run.epoch));
    this.node.hidden = isOne || !this._isOpen;
    const state = `${run.run_id} ${run.epoch} ${run.state}`;
    if (state !== this._state) {
      this._state = state;
      this._run = run;
      if (!this.node.hidden) {
        void this._read(run);
      }
    }
  }

  private _toggle(): void {
    this._isOpen = !this._isOpen;
    this.node.hidden = !this._isOpen;
    setAttributes(this.button, { 'aria-expanded': String(this._isOpen) });
    if (this._isOpen && this._run !== null) {
      void this._read(this._run);
    }
  }

  private async _read(run: IRun): Promise<void> {
    const { pagesApi, texts } = this._context;
    const state = this._state;
    if (this._list.childElementCount === 0) {
      showText(this._notice, texts.__('Reading the attempts…'));
    }
    try {
      const attempts = await pagesApi.listRunAttempts(run.run_id);
      if (state === this._state) {
        showText(this._notice, '');
        this._list.replaceChildren(...[...attempts].reverse().map(one => this._item(one)));
      }
    } catch (error) {
      showText(this._notice, errorText(error, texts));
    }
  }

  private _item(attempt: IRunAttempt): HTMLElement {
    const { texts, locale, clock } = this._context;
    const look = stateLook(attempt.state);
    const line = html(
      'div',
      { class: 'orc-attempt-line' },
      html('strong', {}, texts.__('Attempt %1', attempt.number)),
      html(
        'span',
        { class: 'orc-state', 'data-tone': look.tone, 'data-state': attempt.state },
        stateIcon(look.icon),
        html('span', { class: 'orc-word' }, look.word(texts))
      )
    );
    const now = clock.now();
    if (attempt.started_at !== null) {
      const begun = texts.__('begun %1', formatAgo(attempt.started_at, now, texts, locale));
      const title = formatMoment(attempt.started_at, locale);
      line.append(html('span', { class: 'orc-time', title }, begun));
    }
    const seconds = attempt.ended_at === null ? null : secondsRun(attempt, now);
    if (seconds !== null) {
      line.append(html('span', { class: 'orc-time' }, formatDuration(seconds)));
    }
    if (attempt.driver !== null && attempt.host !== null) {
      const place = texts.__('%1 on %2', attempt.driver, attempt.host);
      line.append(html('span', { class: 'orc-detail' }, place));
    }
    if (attempt.output_path !== null) {
      line.append(this._notebookButton(attempt.number));
    }
    const said = [attempt.reason, attempt.message].filter(text => text !== '');
    const notes = said.map(text => html('p', { class: 'orc-attempt-note' }, text));
    return html('li', { 'data-attempt': attempt.number }, line, ...notes);
  }

  private _notebookButton(attempt: number): HTMLElement {
    const { texts } = this._context;
    const label = texts.__('Executed notebook of attempt %1', attempt);
    const attributes = { type: 'button', class: 'orc-link', 'aria-label': label };
    const node = html('button', attributes, texts.__('Executed notebook'));
    node.addEventListener('click', () => this._showNotebook(attempt));
    return node;
  }

  private _run: IRun | null = null;
  private _state = '';
  private _isOpen = false;
  private readonly _notice = html('p', { class: 'orc-empty', role: 'status', hidden: true });
  private readonly _list = html('ol', { class: 'orc-attempts-list' });
}
