/** The fields of a form for parameters of which only earlier values are known. */

import type { ITexts } from '../drawing/translation';
import { readFields } from '../schemas';
import { choiceOf, plainField } from './fields';
import type { FieldKind, IField } from './fields';
import { HIDDEN } from './form';
import type { FormValues } from './form';

/** The name of the field for parameters of any name; none of them can be called so. */
const OTHERS = '…';

/** Give a field for each of some values, and one for others. */
export function valueFields(
  values: Readonly<Record<string, unknown>>,
  texts: ITexts
): readonly IField[] {
  const known = Object.entries(values).map(([name, value]) =>
    plainField({
      name,
      label: name,
      kind: kindOf(value),
      help: texts.__('empty for the default'),
      // a box could not say that the default is meant
      choices: typeof value === 'boolean' ? [true, false].map(choiceOf) : [],
      keepsGiven: true
    })
  );
  const others = plainField({
    name: OTHERS,
    label: texts.__('Other parameters'),
    kind: 'mapping',
    help: texts.__('Names and values, where more are to be given.'),
    example: '{"region": "EU"}'
  });
  return [...known, others];
}

/** Give what the fields hold, the others among them; a value that was not changed is sent as it was. */
export function readValueFields(values: FormValues): FormValues {
  const own = [...values].filter(([name]) => name !== OTHERS);
  const others = Object.entries(readFields(JSON.parse(values.get(OTHERS) ?? '{}')) ?? {});
  return new Map([
    ...own,
    ...others.map(([name, value]): [string, string] => [name, JSON.stringify(value)])
  ]);
}

function kindOf(value: unknown): FieldKind {
  if (typeof value === 'boolean') {
    return 'choice';
  }
  if (typeof value === 'number') {
    return 'number';
  }
  if (typeof value === 'string') {
    return value === HIDDEN ? 'secret' : 'text';
  }
  const fields = readFields(value);
  if (fields !== null) {
    return '$secret' in fields ? 'secret' : '$float' in fields ? 'number' : 'mapping';
  }
  return Array.isArray(value) ? 'list' : 'any';
}
