/**
 * A list of the API as a table: filter, buttons in its rows, more on demand. In a narrow window each row is a card.
 *
 * A row that a button changed is shown anew or goes, and the rest stays where the reader is.
 */

import { formatAgo, formatMoment } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { mayDo, readIdentity, refusedWords } from '../access';
import type { Deed, IIdentity, INeed } from '../access';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type {
  Cursor,
  IColumn,
  IDone,
  IListPart,
  IListing,
  IMaking,
  INews,
  IRowAction
} from './listing';
import { WarningNotice } from './warningNotice';

export type { Cursor, IColumn, IDone, IListPart, IListing, IMaking, INews, IRowAction };

interface IShownRow<T> {
  readonly node: HTMLElement;
  row: T;
}

/** Draws a list, and does what the buttons in it say. */
export class ListTable<T> {
  constructor(
    private readonly _context: IPageContext,
    private readonly _listing: IListing<T>
  ) {
    const { texts, clock } = _context;
    setAttributes(this.node, { 'aria-label': _listing.label });
    const refresh = html('button', { type: 'button', class: 'orc-push' }, texts.__('Refresh'));
    refresh.addEventListener('click', () => this._anew());
    this._warnings = new WarningNotice(texts);
    this._more.textContent = texts.__('More');
    this._more.addEventListener('click', () => void this._read(true));
    const { filter } = _listing;
    if (filter !== undefined) {
      this._filter.append(...filter.map(([value, label]) => html('option', { value }, label)));
      this._filter.addEventListener('change', () => this._anew());
      this.bar.append(
        html('label', { class: 'orc-field' }, html('span', {}, texts.__('Show')), this._filter)
      );
    }
    this._make = this._makingButton(_listing.making);
    this.bar.append(...(this._make === null ? [] : [this._make]), refresh);
    // the roles are said because a card is displayed as no table, and would be none then
    setAttributes(this._table, { role: 'table', 'aria-label': _listing.label });
    this._table.append(this._head, this._body);
    this.node.append(
      this.bar,
      this._rights,
      this._problem,
      this._news,
      this._warnings.node,
      this._empty,
      this._table,
      this._more
    );
    this._undo = clock.follow(() => this._showTimes());
    void this.read();
  }

  readonly node = html('section', { class: 'orc-list' });
  /** What stands above the table; more buttons can be put there. */
  readonly bar = html('div', { class: 'orc-list-bar' });

  /** Read the list anew. */
  read(): Promise<void> {
    return this._read(false);
  }

  /** Tell what was done. */
  say(news: string): void {
    showText(this._problem, '');
    this._news.textContent = news;
  }

  /** Tell what was done; with warnings in a notice that stays until it is closed, or there are others. */
  tell({ news, warnings }: INews): void {
    this.say(warnings?.length ? '' : news);
    if (warnings !== undefined) {
      this._warnings.show(news, warnings);
    }
  }

  /** Undo all. */
  dispose(): void {
    this._reading += 1;
    this._undo();
    this.node.remove();
  }

  private _anew(): void {
    this.say('');
    void this.read();
  }

  private async _read(isMore: boolean): Promise<void> {
    this._reading += 1;
    const reading = this._reading;
    const filter = this._filter.value;
    setAttributes(this._table, { 'aria-busy': 'true' });
    this._more.disabled = true;
    try {
      const [part, identity] = await Promise.all([
        this._listing.read(filter, isMore ? this._next : null),
        this._readIdentity()
      ]);
      if (reading === this._reading) {
        this._identity = identity;
        showText(this._problem, '');
        this._showRights();
        this._take(part, filter, isMore);
      }
    } catch (error) {
      if (reading === this._reading) {
        showText(this._problem, errorText(error, this._context.texts));
      }
    } finally {
      if (reading === this._reading) {
        setAttributes(this._table, { 'aria-busy': null });
        this._more.disabled = false;
      }
    }
  }

  /** Read who looks, where that decides about a button. */
  private async _readIdentity(): Promise<IIdentity | null> {
    return this._deeds().length === 0
      ? null
      : readIdentity(await this._context.pagesApi.call('GET', ['me']));
  }

  private _deeds(): Deed[] {
    const { actions, making } = this._listing;
    return [...(making === undefined ? [] : [making]), ...actions].flatMap(
      ({ label, need }): Deed[] => (need === undefined ? [] : [[label, need]])
    );
  }

  private _may(need: INeed | undefined): boolean {
    return need === undefined || (this._identity !== null && mayDo(need, this._identity));
  }

  private _showRights(): void {
    const { _identity: identity, _make: make } = this;
    if (make !== null) {
      make.hidden = !this._may(this._listing.making?.need);
    }
    const { texts } = this._context;
    const words = identity === null ? '' : refusedWords(this._deeds(), identity, texts);
    showText(this._rights, words);
  }

  private _makingButton(making: IMaking | undefined): HTMLButtonElement | null {
    if (making === undefined) {
      return null;
    }
    const attributes = { type: 'button', class: 'orc-push', hidden: making.need !== undefined };
    const node = html('button', attributes, making.label);
    node.addEventListener('click', () => {
      this.say('');
      void making.act().then(
        async news => {
          if (news !== null) {
            await this.read();
            this.tell(typeof news === 'string' ? { news } : news);
          }
        },
        (error: unknown) => showText(this._problem, errorText(error, this._context.texts))
      );
    });
    return node;
  }

  private _take(part: IListPart<T>, filter: string, isMore: boolean): void {
    this._next = part.next;
    if (!isMore) {
      this._columns = this._listing.columns.filter(({ isShown }) => isShown?.(filter) ?? true);
      this._showHead();
      this._rows.clear();
      this._body.replaceChildren();
      this._empty.replaceChildren(...this._emptyWords(filter));
    }
    const isFocused = document.activeElement === this._more;
    let first: HTMLElement | null = null;
    for (const row of part.rows) {
      const key = this._listing.key(row);
      if (!this._rows.has(key)) {
        const shown = { node: html('tr', { role: 'row' }), row };
        this._rows.set(key, shown);
        this._showRow(key, shown);
        this._body.append(shown.node);
        first ??= shown.node;
      }
    }
    this._more.hidden = part.next === null;
    this._showEmpty();
    if (isMore && isFocused && this._more.hidden) {
      focusOn(first);
    }
  }

  /** Say why there is no row: who sees only what is theirs is not told how to make what is everybody's. */
  private _emptyWords(filter: string): readonly (Node | string)[] {
    const need = this._listing.making?.need;
    const isTheirs = this._identity?.isOwnersOnly === true && need?.isForAll === true;
    return isTheirs && !this._may(need)
      ? [this._context.texts.__('There is nothing here that is yours, or shared with you.')]
      : this._listing.empty(filter);
  }

  private _showHead(): void {
    const { texts } = this._context;
    const cells = this._columns.map(({ label, kind }) =>
      html('th', { role: 'columnheader', scope: 'col', 'data-kind': kind ?? null }, label)
    );
    if (this._listing.actions.length > 0) {
      const name = html('span', { class: 'orc-sr-only' }, texts.__('What can be done'));
      cells.push(html('th', { role: 'columnheader', scope: 'col' }, name));
    }
    this._head.replaceChildren(html('tr', { role: 'row' }, ...cells));
  }

  private _showRow(key: string, shown: IShownRow<T>): void {
    const { row } = shown;
    const cells: HTMLElement[] = this._columns.map(({ label, kind, show }) => {
      const content = show(row) ?? '';
      const attributes = { 'data-kind': kind ?? null, 'data-label': label };
      const cell =
        kind === 'name'
          ? html('th', { ...attributes, role: 'rowheader', scope: 'row' }, content)
          : html('td', { ...attributes, role: 'cell' }, content);
      cell.classList.toggle('orc-none', cell.textContent === '');
      return cell;
    });
    if (this._listing.actions.length > 0) {
      const buttons = this._listing.actions
        .filter(({ isOffered, need }) => this._may(need) && (isOffered?.(row) ?? true))
        .map(action => this._button(key, shown, action));
      const attributes = { role: 'cell', class: 'orc-list-actions' };
      cells.push(html('td', attributes, html('div', {}, ...buttons)));
    }
    shown.node.replaceChildren(...cells);
  }

  private _button(key: string, shown: IShownRow<T>, action: IRowAction<T>): HTMLButtonElement {
    const attributes = {
      type: 'button',
      class: 'orc-push',
      'aria-label': action.name(shown.row)
    };
    const node = html('button', attributes, action.label);
    node.addEventListener('click', () => {
      if (!this._busy.has(key)) {
        void this._do(key, shown, action);
      }
    });
    return node;
  }

  private async _do(key: string, shown: IShownRow<T>, action: IRowAction<T>): Promise<void> {
    this._busy.add(key);
    setAttributes(shown.node, { 'aria-busy': 'true' });
    this.say('');
    try {
      const done = await action.act(shown.row);
      if (done !== null) {
        this.tell(done);
        this._change(key, shown, done.row);
      }
    } catch (error) {
      showText(this._problem, errorText(error, this._context.texts));
    } finally {
      this._busy.delete(key);
      setAttributes(shown.node, { 'aria-busy': null });
    }
  }

  /** Show a row as it is now; who was in it is in its buttons, or in those of the row that follows. */
  private _change(key: string, shown: IShownRow<T>, row: T | null): void {
    if (this._rows.get(key) !== shown) {
      return; // the list was read anew meanwhile
    }
    const { activeElement } = document;
    const isIn = shown.node.contains(activeElement) || activeElement === document.body;
    let next: Element | null = shown.node;
    if (row === null) {
      next = shown.node.nextElementSibling ?? shown.node.previousElementSibling;
      this._rows.delete(key);
      shown.node.remove();
      this._showEmpty();
    } else {
      shown.row = row;
      this._showRow(key, shown);
    }
    if (isIn) {
      focusOn(next ?? this.bar);
    }
  }

  private _showEmpty(): void {
    const isEmpty = this._rows.size === 0;
    this._empty.hidden = !isEmpty || this._next !== null;
    this._table.hidden = isEmpty;
  }

  private _showTimes(): void {
    const { clock, texts, locale } = this._context;
    for (const time of this._body.querySelectorAll('time')) {
      showText(time, formatAgo(time.dateTime, clock.now(), texts, locale), time.title);
    }
  }

  private readonly _undo: () => void;
  private readonly _warnings: WarningNotice;
  private _reading = 0;
  private _next: Cursor = null;
  private _identity: IIdentity | null = null;
  private readonly _make: HTMLButtonElement | null;
  private readonly _rights = html('p', { class: 'orc-list-rights', hidden: true });
  private _columns: readonly IColumn<T>[] = [];
  private readonly _rows = new Map<string, IShownRow<T>>();
  private readonly _busy = new Set<string>();
  private readonly _filter = html('select');
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _news = html('p', { class: 'orc-news', role: 'status' });
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _table = html('table', { hidden: true });
  private readonly _head = html('thead', { role: 'rowgroup' });
  private readonly _body = html('tbody', { role: 'rowgroup' });
  private readonly _more = html('button', { type: 'button', class: 'orc-push', hidden: true });
}

/** Make what tells how long ago something was; the table keeps it true. */
export function agoNode({ clock, texts, locale }: IPageContext, at: string): HTMLTimeElement {
  const words = formatAgo(at, clock.now(), texts, locale);
  return html('time', { datetime: at, title: formatMoment(at, locale) }, words);
}

/** Make a text with more words below it. */
export function twoLines(first: Node | string, second: Node | string): DocumentFragment {
  const both = document.createDocumentFragment();
  both.append(first);
  if (typeof second !== 'string' || second !== '') {
    both.append(html('div', { class: 'orc-list-detail' }, second));
  }
  return both;
}

/** Cut a sentence at a command, which is drawn as one: `%1` stands for it. */
export function withCommand(sentence: string, command: string): readonly (Node | string)[] {
  const [before, after = ''] = sentence.split('%1');
  return [before, html('code', {}, command), after];
}

function focusOn(node: Element | null): void {
  node?.querySelector<HTMLElement>('button, a, select')?.focus();
}
