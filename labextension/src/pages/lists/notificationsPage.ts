/** Where notifications go, and what became of them: channels can be tried, and what could not be sent is decided about. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import { ask } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { ListPage } from './listPage';
import { ListTable, agoNode, twoLines, withCommand } from './listTable';
import type { Cursor, IDone, IListPart } from './listTable';

const AT_ONCE = 50;

/** A channel, without its address. */
export interface IChannel {
  readonly name: string;
  /** The address without what must not be seen. */
  readonly shown: string;
  readonly mayBePrivate: boolean;
  readonly updated_at: string | null;
}

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

/** Shows both. */
export class NotificationsPage extends ListPage {
  constructor(private readonly _context: IPageContext) {
    const { texts } = _context;
    super(
      texts.__('Notifications'),
      texts.__('Rules say of which runs people hear; their messages go to channels.')
    );
    this.add(this._deliveries(), texts.__('Messages'));
    this.add(this._channels(), texts.__('Channels'));
  }

  private _deliveries(): ListTable<IDelivery> {
    const { texts } = this._context;
    return new ListTable<IDelivery>(this._context, {
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
              : pageLink(html('a', {}, texts.__('Its run')), this._context, ['runs', run_id])
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
          show: message => agoNode(this._context, message.created_at)
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
          isOffered: message => ['DEAD', 'DISCARDED'].includes(message.state),
          act: message => this._retry(message)
        },
        {
          label: texts.__('Discard…'),
          name: message => texts.__('Discard… %1', message.title),
          isOffered: message => ['DEAD', 'PENDING'].includes(message.state),
          act: message => this._discard(message)
        }
      ],
      key: message => String(message.number),
      read: (filter, cursor) => this._readDeliveries(filter, cursor),
      empty: filter =>
        filter === 'DEAD'
          ? [texts.__('All messages could be sent.')]
          : withCommand(
              texts.__('There are none. A rule has people hear of runs: %1', '%1'),
              'orchestra notifications rules add team --channel chat'
            )
    });
  }

  private _channels(): ListTable<IChannel> {
    const { texts, pagesApi } = this._context;
    return new ListTable<IChannel>(this._context, {
      label: texts.__('Channels'),
      columns: [
        { label: texts.__('Name'), kind: 'name', show: channel => channel.name },
        { label: texts.__('Address'), kind: 'long', show: channel => channel.shown },
        {
          label: texts.__('Own network'),
          show: channel => (channel.mayBePrivate ? texts.__('allowed') : texts.__('refused'))
        },
        {
          label: texts.__('Changed'),
          show: ({ updated_at }) =>
            updated_at === null ? null : agoNode(this._context, updated_at)
        }
      ],
      actions: [
        {
          label: texts.__('Test'),
          name: channel => texts.__('Test %1', channel.name),
          act: channel => this._test(channel)
        }
      ],
      key: channel => channel.name,
      read: async (_, after) => {
        const fields = readFields(
          await pagesApi.call('GET', ['notifications', 'channels'], { after })
        );
        return {
          rows: readList(fields?.channels, readChannel),
          next: readTextOrNull(fields?.next)
        };
      },
      empty: () =>
        withCommand(
          texts.__('No channels yet. In a terminal, which asks for its address: %1', '%1'),
          'orchestra notifications channels add chat'
        )
    });
  }

  private async _readDeliveries(state: string, before: Cursor): Promise<IListPart<IDelivery>> {
    const query = { state: state || null, before, limit: AT_ONCE };
    const { pagesApi } = this._context;
    const fields = readFields(await pagesApi.call('GET', ['notifications', 'deliveries'], query));
    return { rows: readList(fields?.deliveries, readDelivery), next: readNumber(fields?.next) };
  }

  private async _test(channel: IChannel): Promise<IDone<IChannel>> {
    const { pagesApi, texts } = this._context;
    const path = ['notifications', 'channels', channel.name, 'test'];
    const fields = readFields(await pagesApi.call('POST', path));
    if (fields?.is_sent !== true) {
      const answer = readTextOrNull(fields?.answer) ?? '';
      throw new Error(texts.__('Channel %1 did not take a message: %2', channel.name, answer));
    }
    return { row: channel, news: texts.__('Channel %1 took a test message.', channel.name) };
  }

  private async _retry(message: IDelivery): Promise<IDone<IDelivery>> {
    const { texts } = this._context;
    await this._decide(message, 'retry');
    return { row: null, news: texts.__('%1: the services send it now.', message.title) };
  }

  private async _discard(message: IDelivery): Promise<IDone<IDelivery> | null> {
    const { texts } = this._context;
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
          await this._decide(message, 'discard');
          return true;
        }
      },
      texts
    );
    return isDone ? { row: null, news: texts.__('%1 is discarded.', message.title) } : null;
  }

  private async _decide(message: IDelivery, what: 'retry' | 'discard'): Promise<void> {
    const path = ['notifications', 'deliveries', String(message.number), what];
    await this._context.pagesApi.call('POST', path);
  }
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

function readChannel(data: unknown): IChannel | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null
    ? null
    : {
        name,
        shown: readTextOrNull(fields?.shown) ?? '',
        mayBePrivate: fields?.may_be_private === true,
        updated_at: readTextOrNull(fields?.updated_at)
      };
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
