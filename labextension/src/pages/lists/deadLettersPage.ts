/** What failed for good, until somebody decides about each: run again, or left as it is. */

import { ApiError } from '../../apiError';
import { html } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { isFailure, stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import { ask } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { ListPage } from './listPage';
import { ListTable, agoNode, twoLines, withCommand } from './listTable';
import type { Cursor, IDone, IListPart } from './listTable';

const AT_ONCE = 50;

/** A dead letter, as far as it is shown. */
export interface IDeadLetter {
  /** Names it for ever. */
  readonly id: string;
  readonly run_id: string;
  readonly isTask: boolean;
  readonly name: string;
  readonly flow_name: string;
  readonly ended_as: string;
  readonly attempts: number;
  readonly message: string;
  readonly traceback: string | null;
  readonly created_at: string;
  readonly state: string;
  readonly closed_at: string | null;
  readonly closed_by: string;
  readonly note: string;
}

/** Shows them. */
export class DeadLettersPage extends ListPage {
  constructor(private readonly _context: IPageContext) {
    const { texts } = _context;
    super(
      texts.__('Dead letters'),
      texts.__('Runs and tasks that used up their attempts wait here until somebody decides.')
    );
    const list = new ListTable<IDeadLetter>(_context, {
      label: texts.__('Dead letters, the newest first'),
      filter: [
        ['OPEN', texts.__('Open')],
        ['RETRIED', texts.__('Retried')],
        ['DISCARDED', texts.__('Discarded')],
        ['RESOLVED', texts.__('Resolved')],
        ['', texts.__('All')]
      ],
      columns: [
        {
          label: texts.__('What failed'),
          kind: 'name',
          show: letter =>
            twoLines(
              titleOf(letter),
              letter.isTask ? texts.__('task of %1', letter.flow_name) : texts.__('flow')
            )
        },
        {
          label: texts.__('Run'),
          show: letter => {
            const words = letter.isTask ? texts.__('Its run') : letter.name;
            return pageLink(html('a', {}, words), _context, ['runs', letter.run_id]);
          }
        },
        { label: texts.__('Ended as'), show: letter => stateNode(letter.ended_as, texts) },
        {
          label: texts.__('Attempts'),
          kind: 'number',
          show: letter => String(letter.attempts)
        },
        { label: texts.__('When'), show: letter => agoNode(_context, letter.created_at) },
        { label: texts.__('Why'), kind: 'long', show: letter => reasonNode(letter, texts) },
        {
          label: texts.__('Decided'),
          isShown: filter => filter !== 'OPEN',
          show: letter => decisionNode(letter, _context)
        }
      ],
      actions: [
        {
          label: texts.__('Retry'),
          name: letter => texts.__('Retry %1, %2', titleOf(letter), nameOf(letter, texts)),
          need: { role: 'runner' },
          isOffered: letter => letter.state === 'OPEN',
          act: letter => this._retry(letter)
        },
        {
          label: texts.__('Discard…'),
          name: letter => texts.__('Discard… %1, %2', titleOf(letter), nameOf(letter, texts)),
          need: { role: 'runner' },
          isOffered: letter => letter.state === 'OPEN',
          act: letter => this._discard(letter)
        }
      ],
      key: letter => letter.id,
      read: (filter, cursor) => this._read(filter, cursor),
      empty: filter =>
        filter === 'OPEN'
          ? withCommand(
              texts.__('Nothing waits for a decision. In a terminal: %1', '%1'),
              'orchestra dead-letters ls'
            )
          : [texts.__('There are none.')]
    });
    this.add(list);
  }

  private async _read(filter: string, before: Cursor): Promise<IListPart<IDeadLetter>> {
    const query = {
      state: filter || null,
      all: filter === '' ? 'true' : null,
      before,
      limit: AT_ONCE
    };
    const { pagesApi } = this._context;
    const fields = readFields(await pagesApi.call('GET', ['dead-letters'], query));
    return {
      rows: readList(fields?.dead_letters, readDeadLetter),
      next: readTextOrNull(fields?.next)
    };
  }

  /** Run again what the services can; of anything else tell which command does. */
  private async _retry(letter: IDeadLetter): Promise<IDone<IDeadLetter>> {
    const { pagesApi, texts } = this._context;
    const run = await pagesApi.findRun(letter.run_id);
    if (run === null || run.deployment === null || !isFailure(run.state)) {
      throw new ApiError(
        texts.__(
          'No service can run this again by itself. In a terminal, where its code is: %1',
          `orchestra dead-letters retry ${letter.id}`
        ),
        409,
        'no_deployment'
      );
    }
    const again = await pagesApi.retryRun(letter.run_id);
    const news =
      again.message === ''
        ? texts.__('Run %1 of %2 is run again.', run.name, run.flow_name)
        : texts.__('Run %1 of %2 is run again: it %3.', run.name, run.flow_name, again.message);
    return { row: await this._asItIs(letter), news };
  }

  private async _discard(letter: IDeadLetter): Promise<IDone<IDeadLetter> | null> {
    const { pagesApi, texts } = this._context;
    const note = html('input', { type: 'text', maxlength: 2000, autocomplete: 'off' });
    const isDone = await ask(
      {
        title: texts.__('Discard the dead letter of %1?', titleOf(letter)),
        body: [
          html('p', {}, texts.__('It is not run again, and nobody is asked about it any more.')),
          html(
            'div',
            { class: 'orc-form-field' },
            html('label', {}, html('span', {}, texts.__('Why (may be empty)')), note)
          )
        ],
        act: texts.__('Discard'),
        leave: texts.__('Keep'),
        onAct: async () => {
          const body = JSON.stringify({ note: note.value.trim() });
          await pagesApi.call('POST', ['dead-letters', letter.id, 'discard'], {}, body);
          return true;
        }
      },
      texts
    );
    return isDone
      ? { row: await this._asItIs(letter), news: texts.__('%1 is discarded.', titleOf(letter)) }
      : null;
  }

  /** Give a letter as the server has it now; null where the list is of others. */
  private async _asItIs(letter: IDeadLetter): Promise<IDeadLetter | null> {
    const now = readDeadLetter(
      await this._context.pagesApi.call('GET', ['dead-letters', letter.id])
    );
    return now?.state === 'OPEN' ? now : null;
  }
}

/** Read a dead letter; null when it is none. */
export function readDeadLetter(data: unknown): IDeadLetter | null {
  const fields = readFields(data);
  const [run, name, at] = [fields?.run_id, fields?.name, fields?.created_at].map(readTextOrNull);
  if (fields === null || run === null || name === null || at === null) {
    return null;
  }
  const task = readTextOrNull(fields.task_run_id);
  const text = (field: unknown): string => readTextOrNull(field) ?? '';
  return {
    id: `${task ?? run}.${readNumber(fields.epoch) ?? 1}`,
    run_id: run,
    isTask: task !== null,
    name,
    flow_name: text(fields.flow_name),
    ended_as: text(fields.ended_as),
    attempts: readNumber(fields.attempts) ?? 1,
    message: text(fields.message),
    traceback: readTextOrNull(readFields(fields.error)?.traceback),
    created_at: at,
    state: text(fields.state),
    closed_at: readTextOrNull(fields.closed_at),
    closed_by: text(fields.closed_by),
    note: text(fields.note)
  };
}

/** Give what failed: a task, or the flow of a run. */
function titleOf(letter: IDeadLetter): string {
  return letter.isTask ? letter.name : letter.flow_name;
}

/** Give what tells one from others of its kind, for who does not see the row. */
function nameOf(letter: IDeadLetter, texts: ITexts): string {
  return letter.isTask ? texts.__('task of %1', letter.flow_name) : texts.__('run %1', letter.name);
}

function stateNode(state: string, texts: ITexts): HTMLElement {
  const look = stateLook(state);
  const word = html('span', { class: 'orc-word' }, look.word(texts));
  const attributes = { class: 'orc-state', 'data-tone': look.tone, 'data-state': state };
  return html('span', attributes, stateIcon(look.icon), word);
}

function reasonNode(letter: IDeadLetter, texts: ITexts): Node | string {
  if (letter.traceback === null || letter.traceback.trim() === '') {
    return letter.message;
  }
  return twoLines(
    letter.message,
    html(
      'details',
      {},
      html('summary', {}, texts.__('Trace')),
      html('div', { class: 'orc-value' }, letter.traceback)
    )
  );
}

function decisionNode(letter: IDeadLetter, context: IPageContext): Node | string {
  const { texts } = context;
  const words: Readonly<Record<string, string>> = {
    OPEN: texts.__('Open'),
    RETRIED: texts.__('Retried'),
    DISCARDED: texts.__('Discarded'),
    RESOLVED: texts.__('Resolved')
  };
  const word = words[letter.state] ?? letter.state;
  if (letter.closed_at === null) {
    return word;
  }
  const line = html('span', {}, `${word} `, agoNode(context, letter.closed_at));
  const who = letter.closed_by === '' ? '' : texts.__('by %1', letter.closed_by);
  return twoLines(line, [who, letter.note].filter(Boolean).join(': '));
}
