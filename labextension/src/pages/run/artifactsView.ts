/** The artifacts of a run: texts, tables, progress, pictures. What a run made stays text here: nothing of it is run. */

import { html, showText } from '../../drawing/elements';
import { markdown } from '../../drawing/markdown';
import { readFields } from '../../schemas';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IArtifact } from '../pagesApi';
import type { RunRecords } from './runRecords';
import type { IRunView } from './runView';
import { linkedText, valueText } from './valueText';

/** Rows of a table that are shown. */
const SHOWN_ROWS = 100;
const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const PICTURE_DATA = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;

/** Shows the artifacts; they are read anew when tasks end. */
export class ArtifactsView implements IRunView {
  constructor(private readonly _context: IPageContext) {
    this.node.append(this._problem, this._notice, this._list);
  }

  readonly node = html('div', { class: 'orc-artifacts' });

  update(records: RunRecords): void {
    const { run } = records;
    const state = run === null ? '' : `${run.epoch} ${run.state} ${run.tasks?.done ?? ''}`;
    if (run !== null && state !== this._readOf) {
      this._readOf = state;
      void this._read(run.run_id);
    }
  }

  dispose(): void {
    this.node.remove();
  }

  private async _read(runId: string): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const artifacts = await pagesApi.listArtifacts(runId);
      showText(this._problem, '');
      showText(this._notice, artifacts.length === 0 ? texts.__('This run has no artifacts.') : '');
      this._list.replaceChildren(...artifacts.map(artifact => this._draw(artifact)));
    } catch (error) {
      showText(this._problem, errorText(error, texts));
    }
  }

  private _draw(artifact: IArtifact): HTMLElement {
    const { texts } = this._context;
    return html(
      'li',
      { 'data-artifact': artifact.key ?? artifact.artifact_id },
      html('h2', {}, artifact.key ?? texts.__('Without a key')),
      html('span', { class: 'orc-detail' }, artifact.type),
      ...(artifact.description === '' ? [] : [linkedText(artifact.description)]),
      this._content(artifact)
    );
  }

  private _content({ type, data, key }: IArtifact): HTMLElement {
    const { texts } = this._context;
    if (type === 'progress' && typeof data === 'number') {
      const label = key ?? texts.__('Progress');
      const bar = html('progress', { max: 100, value: data, 'aria-label': label });
      return html('div', { class: 'orc-value' }, bar, ` ${data} %`);
    }
    const picture = pictureOf(type, data);
    if (picture !== null) {
      return html('img', { class: 'orc-picture', src: picture, alt: key ?? texts.__('Picture') });
    }
    const table = type === 'table' ? tableOf(data) : null;
    if (table !== null) {
      return this._table(table);
    }
    if (type === 'markdown' && typeof data === 'string') {
      return markdown(valueText(data), { texts, top: 3, keepsLines: false });
    }
    const plain = type === 'display' ? readFields(data)?.['text/plain'] : undefined;
    return linkedText(valueText(plain ?? data));
  }

  private _table({ head, rows }: ITable): HTMLElement {
    const { texts } = this._context;
    const cells = (row: readonly unknown[]): HTMLElement[] =>
      row.map(value => html('td', {}, valueText(value)));
    const table = html(
      'table',
      {},
      html('thead', {}, html('tr', {}, ...head.map(name => html('th', { scope: 'col' }, name)))),
      html('tbody', {}, ...rows.slice(0, SHOWN_ROWS).map(row => html('tr', {}, ...cells(row))))
    );
    const more =
      rows.length > SHOWN_ROWS
        ? [texts.__('The first %1 of %2 rows.', SHOWN_ROWS, rows.length)]
        : [];
    const label = texts.__('Table');
    return html(
      'div',
      { class: 'orc-table', tabindex: 0, role: 'group', 'aria-label': label },
      table,
      ...more
    );
  }

  private _readOf = '';
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _notice = html('p', { class: 'orc-empty', hidden: true });
  private readonly _list = html('ul', { class: 'orc-value-list' });
}

interface ITable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

/** Read a table: a column's name to its values, or a list of rows, which are names to values or lists. */
export function tableOf(data: unknown): ITable | null {
  const columns = readFields(data);
  if (columns !== null) {
    const lists = Object.values(columns);
    if (lists.length === 0 || !lists.every(Array.isArray)) {
      return null;
    }
    const count = Math.max(...lists.map(list => list.length));
    const rows = Array.from({ length: count }, (_, at) => lists.map(list => list[at] ?? ''));
    return { head: Object.keys(columns), rows };
  }
  if (!Array.isArray(data) || data.length === 0) {
    return null;
  }
  if (data.every(Array.isArray)) {
    const width = Math.max(...data.map(row => row.length));
    return { head: Array.from({ length: width }, (_, at) => String(at + 1)), rows: data };
  }
  const records = data.map(readFields);
  if (records.includes(null)) {
    return null;
  }
  const head = [...new Set(records.flatMap(record => Object.keys(record ?? {})))];
  return { head, rows: records.map(record => head.map(name => record?.[name] ?? '')) };
}

/** Give the address of a picture that is in the data itself; null for others, which would be asked of their server. */
export function pictureOf(type: string, data: unknown): string | null {
  if (type === 'image') {
    return typeof data === 'string' && PICTURE_DATA.test(data) ? data : null;
  }
  const bundle = type === 'display' ? readFields(data) : null;
  for (const mime of PICTURES) {
    const content = bundle?.[mime];
    const address = typeof content === 'string' ? `data:${mime};base64,${content.trim()}` : '';
    if (PICTURE_DATA.test(address)) {
      return address;
    }
  }
  return null;
}
