/** The webhooks: made, changed, paused, given another secret, deleted. A secret is shown once, where it is made. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { NO_BOUNDS, plainField } from '../../form/fields';
import type { IField } from '../../form/fields';
import { Form } from '../../form/form';
import type { FormValues } from '../../form/form';
import { readFields, readList, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { askWithForm } from '../askWithForm';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import type { PagesApi } from '../pagesApi';
import { copyRow } from '../copyRow';
import { changeKnown } from './knownChange';
import { ListTable, agoNode, twoLines } from './listTable';
import type { IDone, INews } from './listTable';
import { readWholeList } from './wholeList';

const PATH = ['webhooks'];
const NEED: INeed = { role: 'author' };
/** The server does nothing where it would warn of something: that is decided about in the form, not when it is done. */
const REFUSING = { refuse_warnings: 'true' };
const HOUR_SECONDS = 3600;
/** A year: the server takes no longer one. */
const MOST_HOURS = 8760;

/** A webhook, without its secret. */
export interface IWebhook {
  readonly name: string;
  readonly scheme: string;
  readonly deployment: string | null;
  readonly event: string | null;
  readonly isPaused: boolean;
  readonly secretAt: string | null;
}

/** Make the list. */
export function webhooksList(context: IPageContext): ListTable<IWebhook> {
  const { texts, pagesApi } = context;
  return new ListTable<IWebhook>(context, {
    label: texts.__('Webhooks'),
    columns: [
      { label: texts.__('Name'), kind: 'name', show: webhook => webhook.name },
      {
        label: texts.__('A message'),
        show: webhook =>
          webhook.isPaused
            ? twoLines(texts.__('Paused'), startedWords(webhook, texts))
            : startedWords(webhook, texts)
      },
      {
        label: texts.__('Signed as by'),
        show: ({ scheme }) => new Map(schemeWords(texts)).get(scheme) ?? scheme
      },
      {
        label: texts.__('Its secret is from'),
        show: ({ secretAt }) => (secretAt === null ? null : agoNode(context, secretAt))
      }
    ],
    actions: [
      {
        label: texts.__('How to send…'),
        name: webhook => texts.__('How to send… %1', webhook.name),
        act: webhook => explain(context, webhook)
      },
      {
        label: texts.__('Change…'),
        name: webhook => texts.__('Change… %1', webhook.name),
        need: NEED,
        act: webhook => change(context, webhook)
      },
      {
        label: texts.__('Pause'),
        name: webhook => texts.__('Pause %1', webhook.name),
        need: NEED,
        isOffered: webhook => !webhook.isPaused,
        act: webhook => setPaused(context, webhook, 'pause')
      },
      {
        label: texts.__('Resume'),
        name: webhook => texts.__('Resume %1', webhook.name),
        need: NEED,
        isOffered: webhook => webhook.isPaused,
        act: webhook => setPaused(context, webhook, 'resume')
      },
      {
        label: texts.__('New secret…'),
        name: webhook => texts.__('New secret… %1', webhook.name),
        need: NEED,
        act: webhook => rotate(context, webhook)
      },
      {
        label: texts.__('Delete…'),
        name: webhook => texts.__('Delete… %1', webhook.name),
        need: NEED,
        act: webhook => remove(context, webhook)
      }
    ],
    making: { label: texts.__('New webhook…'), need: NEED, act: () => make(context) },
    key: webhook => webhook.name,
    read: async (_, after) => {
      const fields = readFields(await pagesApi.call('GET', PATH, { after }));
      return { rows: readList(fields?.webhooks, readWebhook), next: readTextOrNull(fields?.next) };
    },
    empty: () => [texts.__('No webhooks yet. One has others start runs by signed messages.')]
  });
}

function readWebhook(data: unknown): IWebhook | null {
  const fields = readFields(data);
  const webhook = readFields(fields?.webhook);
  const name = readTextOrNull(webhook?.name);
  return name === null
    ? null
    : {
        name,
        scheme: readTextOrNull(webhook?.scheme) ?? 'standard',
        deployment: readTextOrNull(webhook?.deployment),
        event: readTextOrNull(webhook?.event),
        isPaused: webhook?.is_paused === true,
        secretAt: readTextOrNull(fields?.secret_changed_at)
      };
}

function startedWords({ deployment, event }: IWebhook, texts: ITexts): string {
  return deployment === null
    ? texts.__('emits the event %1', event ?? '')
    : texts.__('runs %1', deployment);
}

function schemeWords(texts: ITexts): readonly (readonly [string, string])[] {
  return [
    ['standard', texts.__('Standard Webhooks')],
    ['github', texts.__('GitHub')],
    ['slack', texts.__('Slack')]
  ];
}

/** Say how a message is signed. */
function signingWords(scheme: string, texts: ITexts): string {
  switch (scheme) {
    case 'github':
      return texts.__(
        'Put address and secret into the settings of the repository, under Webhooks, with the content type application/json. GitHub signs each body with HMAC-SHA256, in the header X-Hub-Signature-256.'
      );
    case 'slack':
      return texts.__(
        'Put the address into your app, under Event Subscriptions. Slack signs each message with the Signing Secret of the app, in the headers X-Slack-Signature and X-Slack-Request-Timestamp.'
      );
    default:
      return texts.__(
        'POST JSON with the headers webhook-id (another for each message), webhook-timestamp (seconds since 1970) and webhook-signature: "v1," and the base64 of the HMAC-SHA256 of "ID.TIMESTAMP.BODY". The key is the secret after "whsec_", decoded from base64. Libraries of standardwebhooks.com do it.'
      );
  }
}

async function make({ texts, pagesApi }: IPageContext): Promise<INews | null> {
  let made: unknown = null;
  let scheme = 'standard';
  const isDone = await askWithForm(
    {
      title: texts.__('New webhook'),
      parts: [newWebhookForm(await deploymentNames(pagesApi), texts)],
      act: texts.__('Make the webhook'),
      actAnyway: texts.__('Make it anyway'),
      send: async (values, isWarned) => {
        const said = [...values].map(
          ([field, json]) => [field, JSON.parse(json) as unknown] as const
        );
        const body = Object.fromEntries(said);
        scheme = String(body.scheme ?? scheme);
        const query = isWarned ? {} : REFUSING;
        made = await pagesApi.call('POST', PATH, query, JSON.stringify(body));
      }
    },
    texts
  );
  if (!isDone) {
    return null;
  }
  const fields = readFields(made);
  const name = readTextOrNull(fields?.name) ?? '';
  await showSecret(texts.__('Webhook %1 is made', name), made, scheme, texts);
  return { news: texts.__('Webhook %1 takes messages.', name) };
}

async function change(
  { texts, pagesApi }: IPageContext,
  webhook: IWebhook
): Promise<IDone<IWebhook> | null> {
  const path = [...PATH, webhook.name];
  const [deployments, seen] = await Promise.all([
    deploymentNames(pagesApi),
    pagesApi.call('GET', path)
  ]);
  const form = new Form(webhookFields(deployments, texts), texts, null);
  form.fill(readFields(readFields(seen)?.webhook) ?? {});
  let changed: unknown = null;
  const isDone = await askWithForm(
    {
      title: texts.__('Change webhook %1', webhook.name),
      body: [
        html(
          'p',
          {},
          texts.__('Its secret stays. With another name it has another address: tell its senders.')
        ),
        form.node
      ],
      parts: [form],
      act: texts.__('Change'),
      actAnyway: texts.__('Change it anyway'),
      send: async (values, isWarned) => {
        if (!values.has('deployment') && !values.has('event')) {
          throw new Error(texts.__('Name a deployment or an event.'));
        }
        changed = await changeKnown(pagesApi, {
          method: 'PATCH',
          path,
          query: isWarned ? {} : REFUSING,
          sent: changesOf(values),
          known: saidOf(seen),
          part: saidOf,
          refusal: texts.__(
            'Somebody else has changed %1 meanwhile. Copy what you wrote, and open it again.',
            webhook.name
          )
        });
      },
      fieldAt: pointer => (/^#?\/new_name/.test(pointer) ? 'name' : pointer.split('/')[1])
    },
    texts
  );
  const row = readWebhook(changed) ?? webhook;
  return isDone ? { row, news: texts.__('Webhook %1 is changed.', row.name) } : null;
}

/** Give what a webhook says, as JSON. */
function saidOf(details: unknown): string {
  return JSON.stringify(readFields(details)?.webhook ?? null);
}

/** Give what is sent for all the fields of a webhook: what is empty is taken away. */
function changesOf(values: FormValues): string {
  const said = (name: string, empty: string): string => values.get(name) ?? empty;
  const [deployment, event] = ['deployment', 'event'].map(name => said(name, 'null'));
  const members = [
    ['new_name', said('name', 'null')],
    ['deployment', deployment],
    ['event', event],
    ['parameters', said('parameters', '{}')],
    ['resource', said('resource', '""')],
    ['condition', said('condition', '""')]
  ];
  return `{${members.map(([name, json]) => `"${name}": ${json}`).join(', ')}}`;
}

async function setPaused(
  { texts, pagesApi }: IPageContext,
  webhook: IWebhook,
  what: 'pause' | 'resume'
): Promise<IDone<IWebhook>> {
  const answer = await pagesApi.call('POST', [...PATH, webhook.name, what]);
  return {
    row: readWebhook(answer) ?? webhook,
    news:
      what === 'pause'
        ? texts.__('Webhook %1 is paused: its messages are ignored.', webhook.name)
        : texts.__('Webhook %1 takes messages again.', webhook.name)
  };
}

async function rotate(
  { texts, pagesApi }: IPageContext,
  webhook: IWebhook
): Promise<IDone<IWebhook> | null> {
  let made: unknown = null;
  const isDone = await askWithForm(
    {
      title: texts.__('New secret of webhook %1', webhook.name),
      parts: [rotationForm(webhook, texts)],
      act: texts.__('Change the secret'),
      send: async values => {
        const own = values.get('secret') ?? 'null';
        const hours = Number(values.get('overlap_seconds') ?? '0');
        const body = `{"secret": ${own}, "overlap_seconds": ${hours * HOUR_SECONDS}}`;
        made = await pagesApi.call('POST', [...PATH, webhook.name, 'rotate'], {}, body);
      }
    },
    texts
  );
  if (!isDone) {
    return null;
  }
  const title = texts.__('The new secret of webhook %1', webhook.name);
  await showSecret(title, made, webhook.scheme, texts);
  const row = readWebhook(await pagesApi.call('GET', [...PATH, webhook.name])) ?? webhook;
  return { row, news: texts.__('Webhook %1 has a new secret.', webhook.name) };
}

async function showSecret(
  title: string,
  made: unknown,
  scheme: string,
  texts: ITexts
): Promise<void> {
  const fields = readFields(made);
  await tell(
    title,
    [
      html('p', {}, texts.__('The secret is shown this once: give it to the sender now.')),
      copyRow(texts.__('Address'), readTextOrNull(fields?.address) ?? '', texts),
      copyRow(texts.__('Secret'), readTextOrNull(fields?.secret) ?? '', texts),
      html('p', {}, signingWords(scheme, texts))
    ],
    texts
  );
}

async function explain({ texts, pagesApi }: IPageContext, webhook: IWebhook): Promise<null> {
  const fields = readFields(await pagesApi.call('GET', [...PATH, webhook.name]));
  await tell(
    texts.__('How to send to webhook %1', webhook.name),
    [
      copyRow(texts.__('Address'), readTextOrNull(fields?.address) ?? '', texts),
      html('p', {}, signingWords(webhook.scheme, texts)),
      html('p', {}, texts.__('Its secret is shown nowhere again; one that is lost is replaced.'))
    ],
    texts
  );
  return null;
}

async function tell(title: string, body: readonly Node[], texts: ITexts): Promise<void> {
  await ask({ title, body, act: texts.__('Close'), leave: '', onAct: async () => true }, texts);
}

async function remove(
  { texts, pagesApi }: IPageContext,
  webhook: IWebhook
): Promise<IDone<IWebhook> | null> {
  const about = texts.__(
    'Its messages are refused, and their list is gone; what they started stays.'
  );
  const isDone = await ask(
    {
      title: texts.__('Delete webhook %1?', webhook.name),
      body: [html('p', {}, about)],
      act: texts.__('Delete'),
      leave: texts.__('Keep'),
      onAct: async () => {
        await pagesApi.call('DELETE', [...PATH, webhook.name]);
        return true;
      }
    },
    texts
  );
  return isDone ? { row: null, news: texts.__('Webhook %1 is deleted.', webhook.name) } : null;
}

function deploymentNames(pagesApi: PagesApi): Promise<readonly string[]> {
  const nameOf = (deployment: unknown): string | null =>
    readTextOrNull(readFields(deployment)?.name);
  return readWholeList(pagesApi, ['deployments'], 'deployments', nameOf);
}

/** The fields of a new webhook: beside what can be changed later, how it is signed. */
function newWebhookForm(deployments: readonly string[], texts: ITexts): Form {
  const [name, ...rest] = webhookFields(deployments, texts);
  const scheme = plainField({
    name: 'scheme',
    label: texts.__('Signed as by'),
    kind: 'choice',
    help: '',
    initial: '"standard"',
    choices: schemeWords(texts).map(([value, label]) => ({ json: JSON.stringify(value), label }))
  });
  return new Form([name, scheme, ...rest, secretField(texts)], texts, null);
}

function webhookFields(deployments: readonly string[], texts: ITexts): readonly IField[] {
  const template = texts.__('A Jinja template, such as %1', '{{ payload.action == "opened" }}');
  return [
    plainField({ name: 'name', label: texts.__('Name'), kind: 'text', help: '', isRequired: true }),
    plainField({
      name: 'deployment',
      label: texts.__('Runs the deployment'),
      kind: 'text',
      help: texts.__('This, or an event.'),
      offers: deployments
    }),
    plainField({
      name: 'event',
      label: texts.__('Emits the event'),
      kind: 'text',
      help: texts.__('Such as %1, which automations wait for.', 'orders.imported')
    }),
    plainField({
      name: 'parameters',
      label: texts.__('Parameters of the run, or payload of the event'),
      kind: 'mapping',
      help: texts.__('Names to Jinja templates'),
      example: '{"rows": "{{ payload.rows }}"}'
    }),
    plainField({
      name: 'resource',
      label: texts.__('What the event is about'),
      kind: 'text',
      help: texts.__('A Jinja template; empty for the webhook itself. Not of a run.')
    }),
    plainField({
      name: 'condition',
      label: texts.__('Only messages for which this says yes'),
      kind: 'text',
      help: template
    })
  ];
}

function rotationForm(webhook: IWebhook, texts: ITexts): Form {
  const overlap = plainField({
    name: 'overlap_seconds',
    label: texts.__('The old one is accepted, too, for (hours)'),
    kind: 'number',
    help: texts.__('Empty to refuse it at once.'),
    bounds: { ...NO_BOUNDS, minimum: 0, maximum: MOST_HOURS },
    isFinite: true
  });
  return new Form(
    [overlap, { ...secretField(texts), isRequired: webhook.scheme === 'slack' }],
    texts,
    null
  );
}

function secretField(texts: ITexts): ReturnType<typeof plainField> {
  return plainField({
    name: 'secret',
    label: texts.__('Secret of the sender'),
    kind: 'text',
    isUnseen: true,
    help: texts.__('Empty to draw one. Slack has its own: the Signing Secret of your app.')
  });
}
