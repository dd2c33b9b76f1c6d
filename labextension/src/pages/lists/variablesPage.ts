/** The variables that all runs share: read, set and deleted. */

import { ApiError } from '../../apiError';
import { html, setAttributes, showText } from '../../drawing/elements';
import { readFields, readList, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import { ListPage } from './listPage';
import { ListTable, agoNode, withCommand } from './listTable';
import type { IDone } from './listTable';

const NEED: INeed = { role: 'author' };
const HELP = 'orc-variable-help';

/** Longer values are cut in the list. */
const LONGEST_LISTED = 500;

/** A variable. */
export interface IVariable {
  readonly name: string;
  readonly value: unknown;
  readonly tags: readonly string[];
  readonly updated_at: string | null;
}

/** Shows them. */
export class VariablesPage extends ListPage {
  constructor(private readonly _context: IPageContext) {
    const { texts, pagesApi } = _context;
    super(
      texts.__('Variables'),
      texts.__('Values that all runs share and can read. What is secret belongs to the secrets.')
    );
    const list = new ListTable<IVariable>(_context, {
      label: texts.__('Variables'),
      columns: [
        { label: texts.__('Name'), kind: 'name', show: variable => variable.name },
        {
          label: texts.__('Value'),
          kind: 'long',
          show: variable => html('span', { class: 'orc-value' }, listedValue(variable.value))
        },
        { label: texts.__('Tags'), show: variable => variable.tags.join(', ') },
        {
          label: texts.__('Changed'),
          show: ({ updated_at }) => (updated_at === null ? null : agoNode(_context, updated_at))
        }
      ],
      actions: [
        {
          label: texts.__('Change…'),
          name: variable => texts.__('Change… %1', variable.name),
          need: NEED,
          act: variable => this._change(variable)
        },
        {
          label: texts.__('Delete…'),
          name: variable => texts.__('Delete… %1', variable.name),
          need: NEED,
          act: variable => this._delete(variable)
        }
      ],
      making: {
        label: texts.__('Set a variable…'),
        need: NEED,
        act: () => this._setNew()
      },
      key: variable => variable.name,
      read: async (_, after) => {
        const fields = readFields(await pagesApi.call('GET', ['variables'], { after }));
        return {
          rows: readList(fields?.variables, readVariable),
          next: readTextOrNull(fields?.next)
        };
      },
      empty: () =>
        withCommand(
          texts.__('No variables yet. Set one here, or in a terminal: %1', '%1'),
          'orchestra variables set regions \'["EU", "US"]\''
        )
    });
    this.add(list);
  }

  private async _setNew(): Promise<string | null> {
    const set = await this._ask(null);
    return set === null ? null : this._context.texts.__('Variable %1 is set.', set.name);
  }

  private async _change(variable: IVariable): Promise<IDone<IVariable> | null> {
    const { texts } = this._context;
    if (!isExact(variable.value)) {
      const command = `orchestra variables set --overwrite ${variable.name} VALUE`;
      const problem = texts.__(
        'It has whole numbers that a browser cannot keep. In a terminal: %1',
        command
      );
      throw new Error(problem);
    }
    const row = await this._ask(variable);
    return row && { row, news: texts.__('Variable %1 is set.', row.name) };
  }

  private async _delete(variable: IVariable): Promise<IDone<IVariable> | null> {
    const { texts, pagesApi } = this._context;
    const isDone = await ask(
      {
        title: texts.__('Delete variable %1?', variable.name),
        body: [texts.__('Runs that read it fail, or take what they have in its place.')],
        act: texts.__('Delete'),
        leave: texts.__('Keep'),
        onAct: async () => {
          await pagesApi.call('DELETE', ['variables', variable.name]);
          return true;
        }
      },
      texts
    );
    return isDone ? { row: null, news: texts.__('Variable %1 is deleted.', variable.name) } : null;
  }

  /** Ask for a name and a value, or only for the value of one that is there, and set it. */
  private async _ask(variable: IVariable | null): Promise<IVariable | null> {
    const { texts } = this._context;
    const name = html('input', { type: 'text', autocomplete: 'off', spellcheck: 'false' });
    const text = html('textarea', { rows: 4, spellcheck: 'false', 'aria-describedby': HELP });
    text.value = variable === null ? '' : writtenValue(variable.value);
    const problem = html('p', { class: 'orc-form-error', role: 'alert', hidden: true });
    const nameField = html(
      'div',
      { class: 'orc-form-field' },
      html('label', {}, html('span', {}, texts.__('Name')), name)
    );
    const valueField = html(
      'div',
      { class: 'orc-form-field' },
      html('label', {}, html('span', {}, texts.__('Value')), text),
      html(
        'div',
        { class: 'orc-form-help', id: HELP },
        texts.__('JSON; what is no JSON is text. Text that looks like JSON stands in quotes: "42".')
      ),
      problem
    );
    let set: IVariable | null = null;
    await ask(
      {
        title:
          variable === null
            ? texts.__('Set a variable')
            : texts.__('Change variable %1', variable.name),
        body: variable === null ? [nameField, valueField] : [valueField],
        act: texts.__('Set'),
        leave: texts.__('Cancel'),
        onAct: async () => {
          const isEmpty = variable === null && name.value.trim() === '';
          showText(problem, '');
          setAttributes(name, { 'aria-invalid': isEmpty ? 'true' : null });
          if (isEmpty) {
            showText(problem, texts.__('A variable needs a name.'));
            name.focus();
            return false;
          }
          const wanted = variable?.name ?? name.value.trim();
          if (variable === null && (await this._isThere(wanted))) {
            showText(
              problem,
              texts.__('There is a variable %1 already. Change it in its row.', wanted)
            );
            return false;
          }
          set = await this._set(wanted, jsonOrText(text.value), variable?.tags ?? []);
          return true;
        }
      },
      texts
    );
    return set;
  }

  private async _isThere(name: string): Promise<boolean> {
    try {
      await this._context.pagesApi.call('GET', ['variables', name]);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return false;
      }
      throw error;
    }
  }

  private async _set(
    name: string,
    json: string,
    tags: readonly string[]
  ): Promise<IVariable | null> {
    const body = `{"value": ${json}, "tags": ${JSON.stringify(tags)}}`;
    return readVariable(await this._context.pagesApi.call('PUT', ['variables', name], {}, body));
  }
}

/** Give what was written as JSON: as it is where it is JSON, else as a text. */
export function jsonOrText(written: string): string {
  try {
    JSON.parse(written);
    return written;
  } catch {
    return JSON.stringify(written);
  }
}

/** Give a value as it would be written: `jsonOrText` gives it back. */
export function writtenValue(value: unknown): string {
  return typeof value === 'string' && jsonOrText(value) !== value
    ? value
    : JSON.stringify(value, null, 2);
}

/** Give a value as a list shows it: on one line, cut where it is long; a text that looks like JSON has quotes. */
export function listedValue(value: unknown): string {
  const text = typeof value === 'string' ? writtenValue(value) : JSON.stringify(value);
  return text.length > LONGEST_LISTED ? `${text.slice(0, LONGEST_LISTED)}…` : text;
}

/** Tell whether all numbers of a value are what was stored: a browser rounds whole numbers above 2⁵³. */
export function isExact(value: unknown): boolean {
  if (typeof value === 'number') {
    return !Number.isInteger(value) || Number.isSafeInteger(value);
  }
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact);
}

function readVariable(data: unknown): IVariable | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null
    ? null
    : {
        name,
        value: fields?.value,
        tags: readList(fields?.tags, readTextOrNull),
        updated_at: readTextOrNull(fields?.updated_at)
      };
}
