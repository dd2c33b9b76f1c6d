/** Messages of notifications, and what became of them: what could not be sent is decided about. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import { ask } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { ListTable, agoNode, twoLines } from './listTable';
import type { Cursor, IDone, IListPart } from './listTable';

const AT_ONCE = 50;

/** One message to one channel. */
export interface IDelivery {
  readonly number: number;
  readonly channel: string;
  readonly rule: string;
  readonly run_id: string;
  readonly title: string;
  readonly body: string;
  readonly state: string;
  readonly attempts: number;
  readonly error: string;
  readonly created_at: string;
}

/** Make the list. */
export function deliveriesList(context: IPageContext): ListTable<IDelivery> {
  const { texts } = context;
  return new ListTable<IDelivery>(context, {
    label: texts.__('Messages, the newest first'),
    filter: [
      ['DEAD', texts.__('Could not be sent')],
      ['PENDING', texts.__('To be sent')],
      ['SENT', texts.__('Sent')],
      ['DISCARDED', texts.__('Discarded')],
      ['', texts.__('All')]
    ],
    columns: [
      {
        label: texts.__('Message'),
        kind: 'name',
        show: message => messageNode(message, texts)
      },
      { label: texts.__('Channel'), show: message => message.channel },
      { label: texts.__('Rule'), show: message => message.rule },
      {
        label: texts.__('Run'),
        show: ({ run_id }) =>
          run_id === ''
            ? null
            : pageLink(html('a', {}, texts.__('Its run')), context, ['runs', run_id])
      },
      {
        label: texts.__('State'),
        isShown: filter => filter === '',
        show: message => stateWord(message.state, texts)
      },
      {
        label: texts.__('Attempts'),
        kind: 'number',
        show: message => String(message.attempts)
      },
      {
        label: texts.__('When'),
        show: message => agoNode(context, message.created_at)
      },
      {
        label: texts.__('Why not'),
        kind: 'long',
        isShown: filter => filter !== 'SENT',
        show: message => message.error
      }
    ],
    actions: [
      {
        label: texts.__('Send again'),
        name: message => texts.__('Send again: %1', message.title),
        need: { role: 'runner' },
        isOffered: message => ['DEAD', 'DISCARDED'].includes(message.state),
        act: message => retry(context, message)
      },
      {
        label: texts.__('Discard…'),
        name: message => texts.__('Discard… %1', message.title),
        need: { role: 'runner' },
        isOffered: message => ['DEAD', 'PENDING'].includes(message.state),
        act: message => discard(context, message)
      }
    ],
    key: message => String(message.number),
    read: (filter, cursor) => readDeliveries(context, filter, cursor),
    empty: filter =>
      filter === 'DEAD'
        ? [texts.__('All messages could be sent.')]
        : [texts.__('There are none. A rule below has people hear of runs.')]
  });
}

async function readDeliveries(
  context: IPageContext,
  state: string,
  before: Cursor
): Promise<IListPart<IDelivery>> {
  const query = { state: state || null, before, limit: AT_ONCE };
  const { pagesApi } = context;
  const fields = readFields(await pagesApi.call('GET', ['notifications', 'deliveries'], query));
  return { rows: readList(fields?.deliveries, readDelivery), next: readNumber(fields?.next) };
}

async function retry(context: IPageContext, message: IDelivery): Promise<IDone<IDelivery>> {
  const { texts } = context;
  await decide(context, message, 'retry');
  return { row: null, news: texts.__('%1: the services send it now.', message.title) };
}

async function discard(
  context: IPageContext,
  message: IDelivery
): Promise<IDone<IDelivery> | null> {
  const { texts } = context;
  const isDone = await ask(
    {
      title: texts.__('Discard this message?'),
      body: [
        html('p', {}, message.title),
        html('p', {}, texts.__('It is not sent to %1.', message.channel))
      ],
      act: texts.__('Discard'),
      leave: texts.__('Keep'),
      onAct: async () => {
        await decide(context, message, 'discard');
        return true;
      }
    },
    texts
  );
  return isDone ? { row: null, news: texts.__('%1 is discarded.', message.title) } : null;
}

async function decide(
  context: IPageContext,
  message: IDelivery,
  what: 'retry' | 'discard'
): Promise<void> {
  const path = ['notifications', 'deliveries', String(message.number), what];
  await context.pagesApi.call('POST', path);
}

function messageNode(message: IDelivery, texts: ITexts): Node {
  const body = html(
    'details',
    {},
    html('summary', {}, texts.__('Text')),
    html('div', { class: 'orc-value' }, message.body)
  );
  return twoLines(message.title, message.body === '' ? '' : body);
}

function stateWord(state: string, texts: ITexts): string {
  const words: Readonly<Record<string, string>> = {
    PENDING: texts.__('To be sent'),
    SENT: texts.__('Sent'),
    DEAD: texts.__('Could not be sent'),
    DISCARDED: texts.__('Discarded')
  };
  return words[state] ?? state;
}

function readDelivery(data: unknown): IDelivery | null {
  const fields = readFields(data);
  const number = readNumber(fields?.number);
  const at = readTextOrNull(fields?.created_at);
  if (fields === null || number === null || at === null) {
    return null;
  }
  const text = (field: unknown): string => readTextOrNull(field) ?? '';
  return {
    number,
    channel: text(fields.channel),
    rule: text(fields.rule),
    run_id: text(fields.run_id),
    title: text(fields.title),
    body: text(fields.body),
    state: text(fields.state),
    attempts: readNumber(fields.attempts) ?? 0,
    error: text(fields.error),
    created_at: at
  };
}
