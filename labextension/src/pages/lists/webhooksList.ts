/** The webhooks: made, given another secret, deleted. A secret is shown once, where it is made. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { NO_BOUNDS, plainField } from '../../form/fields';
import { Form } from '../../form/form';
import { readFields, readList, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { askWithForm } from '../askWithForm';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import type { PagesApi } from '../pagesApi';
import { copyRow } from './copyRow';
import { ListTable, agoNode } from './listTable';
import type { IDone, INews } from './listTable';
import { readWarnings } from './warningNotice';
import { readWholeList } from './wholeList';

const PATH = ['webhooks'];
const NEED: INeed = { role: 'author' };
const HOUR_SECONDS = 3600;

/** A webhook, without its secret. */
export interface IWebhook {
  readonly name: string;
  readonly scheme: string;
  readonly deployment: string | null;
  readonly event: string | null;
  readonly secretAt: string | null;
}

/** Make the list. */
export function webhooksList(context: IPageContext): ListTable<IWebhook> {
  const { texts, pagesApi } = context;
  return new ListTable<IWebhook>(context, {
    label: texts.__('Webhooks'),
    columns: [
      { label: texts.__('Name'), kind: 'name', show: webhook => webhook.name },
      { label: texts.__('A message'), show: webhook => startedWords(webhook, texts) },
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
      parts: [webhookForm(await deploymentNames(pagesApi), texts)],
      act: texts.__('Make the webhook'),
      send: async values => {
        const said = [...values].map(
          ([field, json]) => [field, JSON.parse(json) as unknown] as const
        );
        const body = Object.fromEntries(said);
        scheme = String(body.scheme ?? scheme);
        made = await pagesApi.call('POST', PATH, {}, JSON.stringify(body));
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
  return { news: texts.__('Webhook %1 takes messages.', name), warnings: readWarnings(made) };
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

function webhookForm(deployments: readonly string[], texts: ITexts): Form {
  const template = texts.__('A Jinja template, such as %1', '{{ payload.action == "opened" }}');
  const fields = [
    plainField({ name: 'name', label: texts.__('Name'), kind: 'text', help: '', isRequired: true }),
    plainField({
      name: 'scheme',
      label: texts.__('Signed as by'),
      kind: 'choice',
      help: '',
      initial: '"standard"',
      choices: schemeWords(texts).map(([value, label]) => ({ json: JSON.stringify(value), label }))
    }),
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
      name: 'condition',
      label: texts.__('Only messages for which this says yes'),
      kind: 'text',
      help: template
    }),
    secretField(texts)
  ];
  return new Form(fields, texts, null);
}

function rotationForm(webhook: IWebhook, texts: ITexts): Form {
  const overlap = plainField({
    name: 'overlap_seconds',
    label: texts.__('The old one is accepted, too, for (hours)'),
    kind: 'number',
    help: texts.__('Empty to refuse it at once.'),
    bounds: { ...NO_BOUNDS, minimum: 0 }
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
