/** Two runs of a flow side by side; what differs is marked, and can be shown alone. */

import { html, setAttributes, showText } from '../../drawing/elements';
import { errorText } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { notebookLink } from '../run/notebookView';
import { compareRuns, differenceWords } from './comparison';
import type { IComparedFact, IComparedRun, IComparedTask } from './comparison';

/** A table shows at most so many tasks. */
const MOST_TASKS = 500;

/** Reads two runs and draws the comparison. */
export class ComparisonView {
  constructor(private readonly _context: IPageContext) {
    const { texts } = _context;
    this._only.addEventListener('change', () => this._showOnly());
    this._bar.append(html('label', {}, this._only, ' ', texts.__('Only what differs')));
    this._bar.hidden = true;
    this.node.append(this._problem, this._bar, this._tables);
  }

  readonly node = html('div', { class: 'orc-comparison' });

  /** Read two runs anew and show them. */
  async show(older: string, newer: string): Promise<void> {
    this._asked += 1;
    const asked = this._asked;
    setAttributes(this._tables, { 'aria-busy': 'true' });
    try {
      const sides = await Promise.all([this._read(older), this._read(newer)]);
      if (asked === this._asked) {
        showText(this._problem, '');
        this._draw(sides[0], sides[1]);
      }
    } catch (error) {
      if (asked === this._asked) {
        this._bar.hidden = true;
        this._tables.replaceChildren();
        showText(this._problem, errorText(error, this._context.texts));
      }
    } finally {
      setAttributes(this._tables, { 'aria-busy': null });
    }
  }

  private async _read(runId: string): Promise<IComparedRun> {
    const { api, pagesApi } = this._context;
    const [details, values] = await Promise.all([api.readRun(runId), pagesApi.readValues(runId)]);
    return { ...details, values };
  }

  private _draw(first: IComparedRun, second: IComparedRun): void {
    const { texts, locale } = this._context;
    const compared = compareRuns(first, second, texts, locale);
    const sides = [first, second] as const;
    const shown = compared.tasks.slice(0, MOST_TASKS);
    const parts: [string, readonly IComparedFact[], string][] = [
      [texts.__('Run'), compared.facts, ''],
      [texts.__('Parameters'), compared.parameters, texts.__('Neither was given any.')],
      [
        texts.__('Returned values'),
        compared.values,
        texts.__('Neither recorded or returned anything.')
      ]
    ];
    this._tables.replaceChildren(
      ...parts.map(([title, facts, none]) => this._part(title, facts, none, sides)),
      this._taskPart(shown, sides, compared.tasks.length > shown.length),
      this._notebooks(sides)
    );
    this._bar.hidden = false;
    this._showOnly();
  }

  private _part(
    title: string,
    facts: readonly IComparedFact[],
    none: string,
    sides: readonly [IComparedRun, IComparedRun]
  ): HTMLElement {
    const rows = facts.map(fact => this._row(fact, []));
    return this._section(title, this._head(sides, []), rows, none);
  }

  private _taskPart(
    tasks: readonly IComparedTask[],
    sides: readonly [IComparedRun, IComparedRun],
    isCut: boolean
  ): HTMLElement {
    const { texts } = this._context;
    const title = texts.__('Tasks');
    const rows = tasks.map(task => this._row(task, [differenceWords(task.seconds)]));
    const head = this._head(sides, [texts.__('Longer by')]);
    const section = this._section(title, head, rows, texts.__('Neither had tasks.'));
    if (isCut) {
      section.append(html('p', {}, texts.__('Only the first %1 tasks are shown.', MOST_TASKS)));
    }
    return section;
  }

  private _section(
    title: string,
    head: HTMLElement,
    rows: readonly HTMLElement[],
    none: string
  ): HTMLElement {
    const section = html('section', { class: 'orc-compared' }, html('h2', {}, title));
    if (rows.length === 0) {
      section.append(html('p', { class: 'orc-empty' }, none));
      return section;
    }
    const scroll = html('div', { class: 'orc-table', role: 'region', 'aria-label': title });
    scroll.tabIndex = 0;
    scroll.append(html('table', {}, html('thead', {}, head), html('tbody', {}, ...rows)));
    const same = html('p', { class: 'orc-empty', hidden: true });
    same.textContent = this._context.texts.__('Nothing differs.');
    section.append(scroll, same);
    return section;
  }

  private _head(
    sides: readonly [IComparedRun, IComparedRun],
    more: readonly string[]
  ): HTMLElement {
    const { texts } = this._context;
    const links = sides.map(({ run }) =>
      html(
        'th',
        { scope: 'col' },
        pageLink(html('a', {}, run.name), this._context, ['runs', run.run_id])
      )
    );
    return html(
      'tr',
      {},
      html('th', { scope: 'col' }, texts.__('Name')),
      ...links,
      ...more.map(text => html('th', { scope: 'col' }, text))
    );
  }

  private _row(fact: IComparedFact, more: readonly string[]): HTMLElement {
    const { texts } = this._context;
    const name = html('th', { scope: 'row' }, fact.name);
    if (!fact.isSame) {
      name.append(' ', html('span', { class: 'orc-differs' }, texts.__('differs')));
    }
    return html(
      'tr',
      { 'data-name': fact.name, 'data-same': String(fact.isSame) },
      name,
      ...fact.sides.map(side => html('td', {}, side ?? '–')),
      ...more.map(text => html('td', {}, text))
    );
  }

  private _notebooks(sides: readonly [IComparedRun, IComparedRun]): HTMLElement {
    const { texts } = this._context;
    const section = html('section', {}, html('h2', {}, texts.__('Executed notebooks')));
    const known = sides.flatMap(({ run }) =>
      run.output_path === null ? [] : [[run.name, run.output_path] as const]
    );
    if (known.length === 0) {
      section.hidden = true;
      return section;
    }
    const items = known.map(([name, file]) =>
      html(
        'li',
        {},
        notebookLink(this._context, file, texts.__('Notebook of %1', name), null),
        ' ',
        html('code', {}, file)
      )
    );
    section.append(html('ul', { class: 'orc-files' }, ...items));
    return section;
  }

  private _showOnly(): void {
    const isOnly = this._only.checked;
    for (const section of this._tables.querySelectorAll<HTMLElement>('.orc-compared')) {
      const rows = [...section.querySelectorAll<HTMLElement>('tr[data-same]')];
      rows.forEach(row => {
        row.hidden = isOnly && row.dataset.same === 'true';
      });
      const isEmpty = rows.length > 0 && rows.every(row => row.hidden);
      const [table, same] = [...section.querySelectorAll<HTMLElement>('.orc-table, .orc-empty')];
      if (rows.length > 0) {
        table.hidden = isEmpty;
        same.hidden = !isEmpty;
      }
    }
  }

  private _asked = 0;
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _bar = html('div', { class: 'orc-tasks-bar' });
  private readonly _only = html('input', { type: 'checkbox' });
  private readonly _tables = html('div');
}
