/** The notebook of a run: where it is, and its cells with what became of each. */

import { html, setAttributes } from '../../drawing/elements';
import { TaskTable } from '../../drawing/taskTable';
import type { IDrawingOptions } from '../../drawing/taskLine';
import type { IPageContext } from '../page';
import type { RunRecords } from './runRecords';
import type { IRunView } from './runView';

/** Shows links to the notebook, and its cells. */
export class NotebookView implements IRunView {
  constructor(
    private readonly _context: IPageContext,
    options: IDrawingOptions
  ) {
    this._cells = new TaskTable(options);
    this.node.append(this._files, this._cells.node);
  }

  readonly node = html('div', { class: 'orc-notebook-view' });

  update(records: RunRecords): void {
    const { run } = records;
    const { texts } = this._context;
    const shown = JSON.stringify([run?.notebook_path, run?.output_path]);
    if (run !== null && shown !== this._shown) {
      this._shown = shown;
      const files: [string, string | null][] = [
        [texts.__('Executed notebook'), run.output_path],
        [texts.__('Notebook'), run.notebook_path]
      ];
      const known = files.filter((file): file is [string, string] => file[1] !== null);
      this._files.replaceChildren(
        ...known.map(([label, file]) =>
          html(
            'li',
            {},
            notebookLink(this._context, file, label, null),
            ' ',
            html('code', {}, file)
          )
        )
      );
    }
    this._cells.node.hidden = records.cells.length === 0;
    this._cells.update(records.cells, records.isLive);
  }

  dispose(): void {
    this._cells.dispose();
    this.node.remove();
  }

  private _shown = '';
  private readonly _files = html('ul', { class: 'orc-files' });
  private readonly _cells: TaskTable;
}

/** Make what opens a notebook at a cell; only its label where it cannot be opened from here. */
export function notebookLink(
  context: IPageContext,
  file: string,
  label: string,
  cellId: string | null
): HTMLElement {
  const place = context.notebook(file, cellId);
  if (place === null) {
    return html('span', {}, label);
  }
  const { href, open } = place;
  if (open === null) {
    return html('a', { href }, label);
  }
  const link = html('button', { type: 'button', class: 'orc-link' }, label);
  setAttributes(link, { title: context.texts.__('Open %1', file) });
  link.addEventListener('click', open);
  return link;
}
