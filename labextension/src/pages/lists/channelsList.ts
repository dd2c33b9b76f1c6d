/** The channels that notifications go to: made, given another address, tried and deleted. No address is ever shown. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { plainField } from '../../form/fields';
import { Form } from '../../form/form';
import type { FormValues } from '../../form/form';
import { readFields, readList, readTextOrNull } from '../../schemas';
import { askWithForm } from '../askWithForm';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import { ListTable, agoNode } from './listTable';
import type { IDone } from './listTable';

const PATH = ['notifications', 'channels'];

/** A channel, without its address. */
export interface IChannel {
  readonly name: string;
  /** The address without what must not be seen. */
  readonly shown: string;
  readonly mayBePrivate: boolean;
  readonly updated_at: string | null;
}

/** Make the list. */
export function channelsList(context: IPageContext): ListTable<IChannel> {
  const { texts, pagesApi } = context;
  return new ListTable<IChannel>(context, {
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
        show: ({ updated_at }) => (updated_at === null ? null : agoNode(context, updated_at))
      }
    ],
    actions: [
      {
        label: texts.__('Test'),
        name: channel => texts.__('Test %1', channel.name),
        need: { role: 'author' },
        act: channel => tryChannel(context, channel)
      },
      {
        label: texts.__('New address…'),
        name: channel => texts.__('New address… %1', channel.name),
        need: { role: 'admin' },
        act: channel => change(context, channel)
      },
      {
        label: texts.__('Delete…'),
        name: channel => texts.__('Delete… %1', channel.name),
        need: { role: 'author' },
        act: channel => remove(context, channel)
      }
    ],
    making: {
      label: texts.__('New channel…'),
      need: { role: 'admin' },
      act: () => make(context)
    },
    key: channel => channel.name,
    read: async (_, after) => {
      const fields = readFields(await pagesApi.call('GET', PATH, { after }));
      return {
        rows: readList(fields?.channels, readChannel),
        next: readTextOrNull(fields?.next)
      };
    },
    empty: () => [
      texts.__('No channels yet. A channel is an address that messages go to: a chat, a mailbox.')
    ]
  });
}

/** Read a channel; null when it is none. */
export function readChannel(data: unknown): IChannel | null {
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

async function make({ texts, pagesApi }: IPageContext): Promise<string | null> {
  let made: IChannel | null = null;
  await askWithForm(
    {
      title: texts.__('New channel'),
      parts: [addressForm(true, false, texts)],
      act: texts.__('Make the channel'),
      send: async values => {
        made = readChannel(await pagesApi.call('POST', PATH, {}, bodyOf(values)));
      }
    },
    texts
  );
  const { name } = (made ?? {}) as Partial<IChannel>;
  return name === undefined ? null : texts.__('Channel %1 is made. Test sends it a message.', name);
}

async function change(
  { texts, pagesApi }: IPageContext,
  channel: IChannel
): Promise<IDone<IChannel> | null> {
  let row = channel;
  const isDone = await askWithForm(
    {
      title: texts.__('New address of channel %1', channel.name),
      parts: [addressForm(false, channel.mayBePrivate, texts)],
      act: texts.__('Change'),
      send: async values => {
        const path = [...PATH, channel.name];
        row = readChannel(await pagesApi.call('PUT', path, {}, bodyOf(values))) ?? channel;
      }
    },
    texts
  );
  return isDone
    ? { row, news: texts.__('Channel %1 has a new address. Test sends it a message.', row.name) }
    : null;
}

async function tryChannel(
  { texts, pagesApi }: IPageContext,
  channel: IChannel
): Promise<IDone<IChannel>> {
  const fields = readFields(await pagesApi.call('POST', [...PATH, channel.name, 'test']));
  if (fields?.is_sent !== true) {
    const answer = readTextOrNull(fields?.answer) ?? '';
    throw new Error(texts.__('Channel %1 did not take a message: %2', channel.name, answer));
  }
  return { row: channel, news: texts.__('Channel %1 took a test message.', channel.name) };
}

async function remove(
  { texts, pagesApi }: IPageContext,
  channel: IChannel
): Promise<IDone<IChannel> | null> {
  const isDone = await ask(
    {
      title: texts.__('Delete channel %1?', channel.name),
      body: [html('p', {}, texts.__('Its address is forgotten. A channel that rules name stays.'))],
      act: texts.__('Delete'),
      leave: texts.__('Keep'),
      onAct: async () => {
        await pagesApi.call('DELETE', [...PATH, channel.name]);
        return true;
      }
    },
    texts
  );
  return isDone ? { row: null, news: texts.__('Channel %1 is deleted.', channel.name) } : null;
}

function addressForm(hasName: boolean, isPrivate: boolean, texts: ITexts): Form {
  const name = plainField({
    name: 'name',
    label: texts.__('Name'),
    kind: 'text',
    help: '',
    isRequired: true
  });
  const form = new Form(
    [
      ...(hasName ? [name] : []),
      plainField({
        name: 'address',
        label: texts.__('Address'),
        kind: 'secret',
        isRequired: true,
        help: texts.__(
          'As apprise writes it: %1. It is kept encrypted and never shown.',
          'slack://…, msteams://…, mailto://…, json://…'
        )
      }),
      plainField({
        name: 'allow_private',
        label: texts.__('Messages may go to addresses of the own network'),
        kind: 'checkbox',
        help: ''
      })
    ],
    texts,
    null
  );
  form.fill({ allow_private: isPrivate });
  return form;
}

function bodyOf(values: FormValues): string {
  const members = [...values].map(([field, json]) => `${JSON.stringify(field)}: ${json}`);
  return `{${members.join(', ')}}`;
}
