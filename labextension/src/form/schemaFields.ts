/** The fields of a form for any JSON Schema: what a run asks people for, and their answer as JSON. */

import type { ITexts } from '../drawing/translation';
import { readFields } from '../schemas';
import { readField } from './fields';
import type { IField } from './fields';
import type { FormValues } from './form';

/** The name of the field that is the whole answer; no property of a form is called so. */
const WHOLE = '';

/** Fields for an answer, and how it is made of what stands in them. */
export interface IAnswerForm {
  readonly fields: readonly IField[];
  /** Give the answer as JSON; where a default was left as it is, it is part of the answer. */
  answer(values: FormValues): string;
  /** Give the field that a place of the answer belongs to: a JSON pointer, empty for the whole. */
  fieldAt(pointer: string): string;
}

/** Make a form of a schema: a field for each property of an object, else one for the whole answer. */
export function answerForm(schema: Readonly<Record<string, unknown>>, texts: ITexts): IAnswerForm {
  const definitions = readFields(schema.$defs) ?? {};
  const properties = readFields(schema.properties) ?? {};
  const names = schema.type === 'object' ? Object.keys(properties) : [];
  if (names.length === 0) {
    const whole = { title: texts.__('Answer'), ...schema };
    const field = readField(asked(WHOLE, true), { [WHOLE]: whole }, definitions);
    return {
      fields: field === null ? [] : [field],
      answer: values => values.get(WHOLE) ?? 'null',
      fieldAt: () => WHOLE
    };
  }
  const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
  const fields = names.flatMap(
    name => readField(asked(name, required.includes(name)), properties, definitions) ?? []
  );
  return {
    fields,
    answer: values => objectOf(names, properties, values),
    fieldAt: pointer => decoded(pointer.split('/')[1] ?? '')
  };
}

/** What a form knows of a field beside its schema: its type is meant as it stands there. */
function asked(name: string, required: boolean): Readonly<Record<string, unknown>> {
  return { name, required, annotated: true };
}

function objectOf(
  names: readonly string[],
  properties: Readonly<Record<string, unknown>>,
  values: FormValues
): string {
  const members = names.flatMap(name => {
    const property = readFields(properties[name]) ?? {};
    const known = Object.hasOwn(property, 'default') ? JSON.stringify(property.default) : undefined;
    const json = values.get(name) ?? known;
    return json === undefined ? [] : [`${JSON.stringify(name)}: ${json}`];
  });
  return `{${members.join(', ')}}`;
}

/** Give a step of a JSON pointer as it is called. */
function decoded(step: string): string {
  return step.replace(/~1/g, '/').replace(/~0/g, '~');
}
