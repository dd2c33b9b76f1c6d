/** The rules of notifications: made, changed, paused and deleted. */

import { html } from '../../drawing/elements';
import { readFields, readList, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import { readChannel } from './channelsList';
import { ListTable } from './listTable';
import type { IDone, INews } from './listTable';
import { askForRule } from './ruleDialog';
import { aboutWords, readRule, toldWords } from './rules';
import type { IRule } from './rules';
import { readWarnings } from './warningNotice';
import { readWholeList } from './wholeList';

const PATH = ['notifications', 'rules'];
const NEED: INeed = { role: 'author' };

/** Make the list. */
export function rulesList(context: IPageContext): ListTable<IRule> {
  const { texts, pagesApi } = context;
  return new ListTable<IRule>(context, {
    label: texts.__('Rules'),
    columns: [
      { label: texts.__('Name'), kind: 'name', show: rule => rule.name },
      {
        label: texts.__('State'),
        show: rule => (rule.isPaused ? texts.__('Paused') : texts.__('Active'))
      },
      { label: texts.__('Tells of'), show: rule => toldWords(rule, texts) },
      { label: texts.__('Of which runs'), show: rule => aboutWords(rule, texts) },
      { label: texts.__('Channels'), show: rule => rule.channels.join(', ') }
    ],
    actions: [
      {
        label: texts.__('Change…'),
        name: rule => texts.__('Change… %1', rule.name),
        need: NEED,
        act: rule => change(context, rule)
      },
      {
        label: texts.__('Pause'),
        name: rule => texts.__('Pause %1', rule.name),
        need: NEED,
        isOffered: rule => !rule.isPaused,
        act: rule => setPaused(context, rule, 'pause')
      },
      {
        label: texts.__('Resume'),
        name: rule => texts.__('Resume %1', rule.name),
        need: NEED,
        isOffered: rule => rule.isPaused,
        act: rule => setPaused(context, rule, 'resume')
      },
      {
        label: texts.__('Delete…'),
        name: rule => texts.__('Delete… %1', rule.name),
        need: NEED,
        act: rule => remove(context, rule)
      }
    ],
    making: { label: texts.__('New rule…'), need: NEED, act: () => make(context) },
    key: rule => rule.name,
    read: async (_, after) => {
      const fields = readFields(await pagesApi.call('GET', PATH, { after }));
      return { rows: readList(fields?.rules, readRule), next: readTextOrNull(fields?.next) };
    },
    empty: () => [texts.__('No rules yet. Make a channel, then a rule that has it told of runs.')]
  });
}

async function make(context: IPageContext): Promise<INews | null> {
  const { texts, pagesApi } = context;
  let done: INews | null = null;
  await askForRule(null, await channelNames(context), texts, async (name, body) => {
    const said = JSON.stringify({ ...readFields(JSON.parse(body)), name });
    const made = await pagesApi.call('PUT', PATH, {}, said);
    const news = texts.__('Rule %1 tells of what happens from now on.', name);
    done = { news, warnings: readWarnings(made) };
  });
  return done;
}

async function change(context: IPageContext, rule: IRule): Promise<IDone<IRule> | null> {
  const { texts, pagesApi } = context;
  const known = new Set([...(await channelNames(context)), ...rule.channels]);
  let done: IDone<IRule> | null = null;
  await askForRule(rule, [...known], texts, async (name, body) => {
    const made = await pagesApi.call('PUT', [...PATH, name], {}, body);
    const news = texts.__('Rule %1 is changed.', name);
    done = { row: readRule(made) ?? rule, news, warnings: readWarnings(made) };
  });
  return done;
}

async function setPaused(
  { texts, pagesApi }: IPageContext,
  rule: IRule,
  what: 'pause' | 'resume'
): Promise<IDone<IRule>> {
  const row = readRule(await pagesApi.call('POST', [...PATH, rule.name, what])) ?? rule;
  const news = row.isPaused
    ? texts.__('Rule %1 is paused: it tells of nothing.', row.name)
    : texts.__('Rule %1 tells of what happens from now on.', row.name);
  return { row, news };
}

async function remove(
  { texts, pagesApi }: IPageContext,
  rule: IRule
): Promise<IDone<IRule> | null> {
  const isDone = await ask(
    {
      title: texts.__('Delete rule %1?', rule.name),
      body: [html('p', {}, texts.__('What it has put into the outbox is sent nevertheless.'))],
      act: texts.__('Delete'),
      leave: texts.__('Keep'),
      onAct: async () => {
        await pagesApi.call('DELETE', [...PATH, rule.name]);
        return true;
      }
    },
    texts
  );
  return isDone ? { row: null, news: texts.__('Rule %1 is deleted.', rule.name) } : null;
}

async function channelNames({ pagesApi }: IPageContext): Promise<string[]> {
  const channels = await readWholeList(
    pagesApi,
    ['notifications', 'channels'],
    'channels',
    readChannel
  );
  return channels.map(channel => channel.name);
}
