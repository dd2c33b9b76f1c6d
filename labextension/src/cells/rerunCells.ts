/** Runs some cells of a notebook again, in its order. */

import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookTracker } from '@jupyterlab/notebook';

/** Run the cell again whose output an element is in. */
export function rerunOwnCell(notebooks: INotebookTracker, holder: HTMLElement): void {
  const panel = notebooks.find(({ node }) => node.contains(holder));
  const cell = panel?.content.widgets.find(({ node }) => node.contains(holder));
  if (panel !== undefined && cell !== undefined) {
    void NotebookActions.runCells(panel.content, [cell], panel.sessionContext);
  }
}

/**
 * Run cells again.
 *
 * @param holder - an element in the notebook that is meant
 */
export function rerunCells(
  notebooks: INotebookTracker,
  cellIds: readonly string[],
  holder: HTMLElement
): void {
  const panel = notebooks.find(({ node }) => node.contains(holder));
  if (panel === undefined) {
    return; // an output that was put beside its notebook
  }
  const wanted = new Set(cellIds);
  const cells = panel.content.widgets.filter(({ model }) => wanted.has(model.id));
  void NotebookActions.runCells(panel.content, cells, panel.sessionContext);
}
