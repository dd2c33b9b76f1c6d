/** An editor of one automation, as files say it: what is wrong is said with its line, and it can be tried before it is kept. */

import { html, setAttributes, showText } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readTextOrNull } from '../../schemas';
import { ask, askToThrowAway, errorText } from '../dialogs';
import type { IPageContext } from '../page';
import { automationTemplates } from './automationTemplates';
import { changeKnown } from './knownChange';
import { readTrial, trialNode } from './automationTrial';
import { readWarnings } from './warningNotice';

const PATH = ['automations'];
const LINE = /^automation\.yaml:(\d+)/;

let editors = 0;

/** An automation that was made or changed. */
export interface IKeptAutomation {
  readonly name: string;
  readonly warnings: readonly string[];
}

/** Ask for an automation: what was kept; null where nothing was. `name` is of the one to be changed. */
export async function editAutomation(
  context: IPageContext,
  name: string | null
): Promise<IKeptAutomation | null> {
  const { texts, pagesApi } = context;
  let text = automationTemplates(texts)[0].text;
  let known = '';
  if (name !== null) {
    known = formOf((await pagesApi.readTagged([...PATH, name])).body);
    const fields = readFields(await pagesApi.call('GET', [...PATH, name, 'text']));
    text = readTextOrNull(fields?.text) ?? '';
  }
  const editor = new Editor(context, text, name === null);
  let kept: IKeptAutomation | null = null;
  await ask(
    {
      title: name === null ? texts.__('New automation') : texts.__('Change automation %1', name),
      body: [editor.node],
      act: name === null ? texts.__('Make the automation') : texts.__('Change'),
      leave: texts.__('Cancel'),
      onAct: async () => {
        const read = await editor.read();
        if (name !== null && read.name !== name) {
          throw new Error(texts.__('It is called %1: a name stays as it is.', name));
        }
        const form = JSON.stringify(read.form);
        const made = await (name === null
          ? pagesApi.call('POST', PATH, {}, form)
          : changeKnown(pagesApi, {
              method: 'PUT',
              path: [...PATH, name],
              sent: form,
              known,
              part: formOf,
              refusal: texts.__(
                'Somebody else has changed %1 meanwhile. Copy what you wrote, and open it again.',
                name
              )
            }));
        kept = { name: read.name, warnings: readWarnings(made) };
        return true;
      },
      onError: error => {
        editor.showError(error);
        return true;
      },
      hasWritten: () => editor.hasWritten()
    },
    texts
  );
  return kept;
}

/** Give what an automation says, as JSON, from all that is known of it. */
function formOf(details: unknown): string {
  return JSON.stringify(readFields(details)?.form ?? null);
}

/** Give the line that an error is about, from 1; null where it names none. */
export function lineOf(message: string): number | null {
  const found = LINE.exec(message);
  return found === null ? null : Number(found[1]);
}

interface IReadAutomation {
  readonly name: string;
  readonly form: unknown;
}

/** The text with its templates, its error, and what it would have done. */
class Editor {
  constructor(
    private readonly _context: IPageContext,
    text: string,
    isNew: boolean
  ) {
    const { texts } = _context;
    editors += 1;
    const id = `orc-automation-${editors}`;
    this._text = html('textarea', {
      id,
      rows: 14,
      spellcheck: 'false',
      wrap: 'off',
      'aria-describedby': `${id}-help ${id}-error`
    });
    this._text.value = this._given = text;
    this._text.addEventListener('input', () => this._say(''));
    this._error = html('div', {
      class: 'orc-form-error orc-automation-error',
      id: `${id}-error`,
      role: 'alert',
      hidden: true
    });
    const attempt = html(
      'button',
      { type: 'button', class: 'orc-push' },
      texts.__('Try on the last 7 days')
    );
    attempt.addEventListener('click', () => void this._try());
    const help = texts.__('YAML, as in files: the manual says under Automations what there is.');
    this.node.append(
      ...(isNew ? [this._templates(texts)] : []),
      html(
        'div',
        { class: 'orc-form-field' },
        html('label', { for: id }, texts.__('The automation')),
        this._text,
        html('div', { class: 'orc-form-help', id: `${id}-help` }, help),
        this._error
      ),
      attempt,
      this._result
    );
  }

  readonly node = html('div', { class: 'orc-automation-editor' });

  /** Whether the text is another than the one that it began with. */
  hasWritten(): boolean {
    return this._text.value !== this._given;
  }

  /** Read what is written; what is wrong with it is thrown. */
  async read(): Promise<IReadAutomation> {
    this._say('');
    const { pagesApi } = this._context;
    const sent = JSON.stringify({ text: this._text.value });
    const fields = readFields(await pagesApi.call('POST', [...PATH, 'read'], {}, sent));
    return { name: readTextOrNull(fields?.name) ?? '', form: fields?.form };
  }

  /** Say what is wrong, and lead to its line. */
  showError(error: unknown): void {
    const message = errorText(error, this._context.texts);
    this._say(
      message.replace(/^automation\.yaml:(\d+):?/gm, this._context.texts.__('Line %1:', '$1'))
    );
    const line = lineOf(message);
    if (line !== null) {
      const lines = this._text.value.split('\n');
      const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
      this._text.setSelectionRange(start, start + (lines[line - 1] ?? '').length);
    }
    this._text.focus();
  }

  private _say(problem: string): void {
    showText(this._error, problem);
    setAttributes(this._text, { 'aria-invalid': problem === '' ? null : 'true' });
  }

  private async _try(): Promise<void> {
    const { pagesApi } = this._context;
    this._result.replaceChildren();
    try {
      const { name, form } = await this.read();
      const sent = JSON.stringify({ automation: form });
      const trial = readTrial(await pagesApi.call('POST', [...PATH, name, 'test'], {}, sent));
      this._result.replaceChildren(trialNode(trial, this._context));
    } catch (error) {
      this.showError(error);
    }
  }

  private _templates(texts: ITexts): HTMLElement {
    const templates = automationTemplates(texts);
    const select = html(
      'select',
      {},
      ...templates.map(({ label }, at) => html('option', { value: at }, label))
    );
    let chosen = select.value;
    select.addEventListener('change', () => {
      void this._startFrom(templates[Number(select.value)].text).then(isTaken => {
        chosen = isTaken ? select.value : chosen;
        select.value = chosen;
      });
    });
    const label = html('label', {}, html('span', {}, texts.__('Start from')), select);
    return html('div', { class: 'orc-form-field' }, label);
  }

  /** Take another text, unless one that was written is to be kept. */
  private async _startFrom(text: string): Promise<boolean> {
    if (this.hasWritten() && !(await askToThrowAway(this._context.texts))) {
      return false;
    }
    this._text.value = this._given = text;
    this._say('');
    this._result.replaceChildren();
    return true;
  }

  private _given: string;
  private readonly _text: HTMLTextAreaElement;
  private readonly _error: HTMLElement;
  private readonly _result = html('div', { role: 'status', class: 'orc-automation-trial' });
}
