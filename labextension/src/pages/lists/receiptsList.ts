/** The messages of webhooks, and what each did: what could start nothing is decided about. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { ask } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { ListTable, agoNode, twoLines } from './listTable';
import type { IDone } from './listTable';

const AT_ONCE = 50;
const NEED: INeed = { role: 'runner' };

/** A message, without its body. */
export interface IReceipt {
  readonly number: number;
  readonly webhook: string;
  readonly messageId: string;
  readonly state: string;
  readonly receivedAt: string;
  readonly runId: string | null;
  readonly runName: string;
  readonly eventId: string | null;
  readonly reason: string;
}

/** Make the list. */
export function receiptsList(context: IPageContext): ListTable<IReceipt> {
  const { texts, pagesApi } = context;
  return new ListTable<IReceipt>(context, {
    label: texts.__('Messages, the newest first'),
    filter: [['', texts.__('All')], ...stateWords(texts)],
    columns: [
      {
        label: texts.__('Message'),
        kind: 'name',
        show: message => twoLines(message.messageId, texts.__('to %1', message.webhook))
      },
      { label: texts.__('Received'), show: message => agoNode(context, message.receivedAt) },
      {
        label: texts.__('What it did'),
        show: message => twoLines(stateWord(message, texts), startedNode(message, context))
      },
      { label: texts.__('Why not'), kind: 'long', show: message => message.reason }
    ],
    actions: [
      {
        label: texts.__('Try again'),
        name: message => texts.__('Try again: %1', message.messageId),
        need: NEED,
        isOffered: message => message.state === 'DEAD',
        act: message => retry(context, message)
      },
      {
        label: texts.__('Discard…'),
        name: message => texts.__('Discard… %1', message.messageId),
        need: NEED,
        isOffered: message => message.state === 'DEAD',
        act: message => discard(context, message)
      }
    ],
    key: message => String(message.number),
    read: async (state, before) => {
      const query = { state: state || null, before, limit: AT_ONCE };
      const fields = readFields(await pagesApi.call('GET', ['receipts'], query));
      return { rows: readList(fields?.receipts, readReceipt), next: readNumber(fields?.next) };
    },
    empty: () => [
      texts.__('There are none. A message that is not rightly signed is refused and not listed.')
    ]
  });
}

function stateWords(texts: ITexts): [string, string][] {
  return [
    ['DEAD', texts.__('Could start nothing')],
    ['ACCEPTED', texts.__('Taken')],
    ['IGNORED', texts.__('Not wanted')],
    ['DISCARDED', texts.__('Discarded')]
  ];
}

function stateWord({ state }: IReceipt, texts: ITexts): string {
  return new Map(stateWords(texts)).get(state) ?? state;
}

function startedNode(message: IReceipt, context: IPageContext): Node | string {
  const { texts } = context;
  if (message.runId !== null) {
    return pageLink(html('a', {}, texts.__('run %1', message.runName)), context, [
      'runs',
      message.runId
    ]);
  }
  return message.eventId === null ? '' : texts.__('event %1', message.eventId);
}

async function retry(
  { texts, pagesApi }: IPageContext,
  message: IReceipt
): Promise<IDone<IReceipt>> {
  const path = ['receipts', String(message.number), 'retry'];
  const row = readReceipt(await pagesApi.call('POST', path)) ?? message;
  if (row.state === 'DEAD') {
    throw new Error(row.reason);
  }
  return { row, news: texts.__('Message %1: %2.', row.messageId, stateWord(row, texts)) };
}

async function discard(
  { texts, pagesApi }: IPageContext,
  message: IReceipt
): Promise<IDone<IReceipt> | null> {
  let row = message;
  const isDone = await ask(
    {
      title: texts.__('Discard message %1?', message.messageId),
      body: [html('p', {}, texts.__('It starts nothing, also when it is sent again.'))],
      act: texts.__('Discard'),
      leave: texts.__('Keep'),
      onAct: async () => {
        const path = ['receipts', String(message.number), 'discard'];
        row = readReceipt(await pagesApi.call('POST', path)) ?? message;
        return true;
      }
    },
    texts
  );
  return isDone ? { row, news: texts.__('Message %1 is discarded.', message.messageId) } : null;
}

function readReceipt(data: unknown): IReceipt | null {
  const fields = readFields(data);
  const number = readNumber(fields?.number);
  const at = readTextOrNull(fields?.received_at);
  if (fields === null || number === null || at === null) {
    return null;
  }
  const text = (field: unknown): string => readTextOrNull(field) ?? '';
  return {
    number,
    webhook: text(fields.webhook),
    messageId: text(fields.message_id),
    state: text(fields.state),
    receivedAt: at,
    runId: readTextOrNull(fields.run_id),
    runName: text(fields.run_name),
    eventId: readTextOrNull(fields.event_id),
    reason: text(fields.reason)
  };
}
