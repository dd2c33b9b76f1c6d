/** The fields of what a schedule says beside when it is due. */

import type { ITexts } from '../drawing/translation';
import { NO_BOUNDS, plainField } from '../form/fields';
import type { IField } from '../form/fields';

/** What is always in sight: what happens when something is in the way. */
export function conflictFields(channels: readonly string[], texts: ITexts): IField[] {
  const notify = choiceField(
    'notify',
    texts.__('Notify'),
    texts.__('Of the first failure or missed run, and when it works again.'),
    [['', texts.__('Nobody')], ...channels.map(channel => [channel, channel] as const)]
  );
  return [
    choiceField(
      'catchup',
      texts.__('If a run is missed'),
      texts.__('While nothing was running that starts it.'),
      [
        ['latest', texts.__('Run the latest one, once')],
        ['all', texts.__('Run all that were missed')],
        ['skip', texts.__('Skip them')]
      ]
    ),
    choiceField('overlap', texts.__('If the last run is still going'), '', [
      ['queue', texts.__('Wait until it has ended')],
      ['skip', texts.__('Skip the new run')],
      ['cancel-running', texts.__('Stop the running one')],
      ['beside', texts.__('Run both at once')]
    ]),
    plainField({
      name: 'concurrency',
      label: texts.__('Runs at once'),
      kind: 'integer',
      help: texts.__('One more than this counts as still going.'),
      initial: '1',
      isRequired: true,
      bounds: { ...NO_BOUNDS, minimum: 1 }
    }),
    ...(channels.length > 0 ? [notify] : [])
  ];
}

/** What stands folded. */
export function moreFields(pools: readonly string[], texts: ITexts): IField[] {
  const names = new Set(['default', ...pools]);
  const duration = { kind: 'text', example: '30m' } as const;
  return [
    plainField({
      name: 'start',
      label: texts.__('Not before'),
      kind: 'datetime',
      help: texts.__('In the time zone above. Intervals are counted from it.')
    }),
    plainField({ name: 'end', label: texts.__('Not after'), kind: 'datetime', help: '' }),
    plainField({
      ...duration,
      name: 'jitter',
      label: texts.__('Spread starts over'),
      example: '5m',
      help: texts.__('Each run starts up to so much later, so that not all start at once.')
    }),
    plainField({
      ...duration,
      name: 'max_late',
      label: texts.__('Latest start after it is due'),
      example: '1h',
      help: texts.__('A run that would start later counts as missed; empty for however late.')
    }),
    plainField({
      name: 'retries',
      label: texts.__('Retries after a failure'),
      kind: 'integer',
      help: '',
      initial: '0',
      bounds: { ...NO_BOUNDS, minimum: 0 }
    }),
    plainField({
      ...duration,
      name: 'retry_delay',
      label: texts.__('Delay before a retry'),
      example: '10s,1m',
      help: texts.__('One, or one for each retry.')
    }),
    plainField({
      ...duration,
      name: 'timeout',
      label: texts.__('Time limit'),
      help: texts.__('A run is stopped after so long; empty for never.')
    }),
    choiceField(
      'pool',
      texts.__('Work pool'),
      texts.__('Where the runs go on.'),
      [...names].map(name => [name, name])
    )
  ];
}

/** Give the fields of parameters with a choice of stored secrets for each secret: a deployment keeps no secret's text. */
export function withStoredSecrets(
  fields: readonly IField[],
  secrets: readonly string[],
  texts: ITexts
): IField[] {
  return fields.map(field => {
    if (field.kind !== 'secret') {
      return field;
    }
    const remedy = texts.__('Store one in a terminal: %1', 'orchestra secrets set NAME');
    const help = [field.help, secrets.length === 0 ? remedy : texts.__('a stored secret')];
    return {
      ...field,
      kind: 'choice',
      help: help.filter(text => text !== '').join(' · '),
      initial: '',
      computedDefault: field.isRequired ? '' : texts.__("the notebook's own"),
      choices: secrets.map(name => ({ json: JSON.stringify({ $secret: name }), label: name }))
    };
  });
}

function choiceField(
  name: string,
  label: string,
  help: string,
  choices: readonly (readonly [string, string])[]
): IField {
  return plainField({
    name,
    label,
    kind: 'choice',
    help,
    initial: JSON.stringify(choices[0][0]),
    choices: choices.map(([value, text]) => ({ json: JSON.stringify(value), label: text }))
  });
}
