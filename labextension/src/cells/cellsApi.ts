/** What the server tells of a notebook's cells, and of the options of a task. */

import { ApiError } from '../apiError';
import { request } from '../request';
import type { IServerSettings } from '../request';
import { readFields, readTextOrNull } from '../schemas';
import { readNotebookCells } from './cellRecords';
import type { INotebookCellsAnswer } from './cellRecords';
import { readTaskOptions } from './taskOptions';
import type { ITaskOptions, OptionTexts } from './taskOptions';

/** The part of the server's API that is about cells. All methods throw `ApiError` where the server answers with one. */
export interface ICellsApi {
  /** Read what is known of the cells of a notebook; the path is that of the file browser. */
  readCells(path: string): Promise<INotebookCellsAnswer>;
  /** Read the options of a task from the text of its cell. */
  readOptions(source: string): Promise<ITaskOptions>;
  /** Give the text of a cell with other options. */
  writeOptions(source: string, name: string, values: OptionTexts): Promise<string>;
}

/** Asks the server that the page came from. */
export class CellsApi implements ICellsApi {
  constructor(private readonly _settings: IServerSettings) {}

  async readCells(path: string): Promise<INotebookCellsAnswer> {
    const answer = await request(this._settings, 'GET', ['notebooks', 'cells'], { path });
    return expected(readNotebookCells(answer));
  }

  async readOptions(source: string): Promise<ITaskOptions> {
    const body = JSON.stringify({ source });
    const path = ['notebooks', 'task-line', 'read'];
    return expected(readTaskOptions(await request(this._settings, 'POST', path, {}, body)));
  }

  async writeOptions(source: string, name: string, values: OptionTexts): Promise<string> {
    const body = JSON.stringify({ source, name, values: Object.fromEntries(values) });
    const path = ['notebooks', 'task-line', 'write'];
    const fields = readFields(await request(this._settings, 'POST', path, {}, body));
    return expected(readTextOrNull(fields?.source));
  }
}

function expected<T>(answer: T | null): T {
  if (answer === null) {
    throw new ApiError('The answer is not what was asked for.', 200, 'unexpected_answer');
  }
  return answer;
}
