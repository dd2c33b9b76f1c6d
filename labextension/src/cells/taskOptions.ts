/**
 * The options of a task as fields of a form.
 *
 * Which options there are, and how each is written, the server tells: here are only their labels in the reader's
 * language. What is not changed is sent as it came, so that it stays in the cell as it was written.
 */

import type { ITexts } from '../drawing/translation';
import { plainField } from '../form/fields';
import type { IField } from '../form/fields';
import type { FormValues } from '../form/form';
import { readFields, readList, readTextOrNull } from '../schemas';

/** Option to the texts of its values; null for one without a value. */
export type OptionTexts = ReadonlyMap<string, readonly (string | null)[]>;

/** One option that a task takes. */
export interface ITaskOption {
  readonly option: string;
  /** What it does, in English. */
  readonly help: string;
  /** How a value is typed; empty where it takes none. */
  readonly example: string;
  readonly takesValue: boolean;
  readonly isValueOptional: boolean;
  readonly mayRepeat: boolean;
}

/** What the text of a cell says, and all that it may say. */
export interface ITaskOptions {
  readonly isTask: boolean;
  readonly name: string;
  readonly values: OptionTexts;
  readonly options: readonly ITaskOption[];
}

/** The name of the field of the task's name; no option is called so. */
const NAME = 'name';

/** Read the server's answer; null when it is none. */
export function readTaskOptions(data: unknown): ITaskOptions | null {
  const fields = readFields(data);
  if (fields === null || !Array.isArray(fields.options)) {
    return null;
  }
  const values = Object.entries(readFields(fields.values) ?? {});
  return {
    isTask: fields.is_task === true,
    name: readTextOrNull(fields.name) ?? '',
    values: new Map(values.map(([option, texts]) => [option, readTexts(texts)])),
    options: readList(fields.options, readOption)
  };
}

/** Give the fields of a form. */
export function optionFields(task: ITaskOptions, texts: ITexts): IField[] {
  const name = plainField({
    name: NAME,
    label: texts.__('Name'),
    kind: 'text',
    help: texts.__('How the task is called; empty for the first name that the cell assigns.'),
    initial: task.name
  });
  return [name, ...task.options.flatMap(option => fieldsOf(option, task, texts))];
}

/** Give what a form says, with all that it leaves as it is. */
export function readOptionValues(
  task: ITaskOptions,
  values: FormValues
): { readonly name: string; readonly values: OptionTexts } {
  const changed = new Map<string, unknown>(
    [...values].map(([field, json]) => [field, JSON.parse(json)])
  );
  const found = task.options.map(
    option => [option.option, textsOf(option, task, changed)] as const
  );
  return {
    name: readTextOrNull(changed.get(NAME)) ?? task.name,
    values: new Map(found.filter(([, texts]) => texts.length > 0))
  };
}

/** Give the field that a JSON pointer of the server means; null for another place. */
export function fieldAt(pointer: string): string | null {
  return pointer === '#/name' ? NAME : (/^#\/values\/(--.+)$/.exec(pointer)?.[1] ?? null);
}

function fieldsOf(option: ITaskOption, task: ITaskOptions, texts: ITexts): IField[] {
  const { option: name, example } = option;
  const given = task.values.get(name) ?? [];
  const label = labelOf(name, texts);
  const typed = `${name} ${example}`.trim();
  const help = `${typed} · ${option.help}`;
  const isOn = String(given.length > 0);
  if (!option.takesValue) {
    return [plainField({ name, label, kind: 'checkbox', help, initial: isOn })];
  }
  if (option.isValueOptional) {
    return [
      plainField({ name, label, kind: 'checkbox', help, initial: isOn }),
      plainField({
        name: valueField(name),
        label: valueLabelOf(name, texts),
        kind: 'text',
        help: texts.__('such as %1; empty for ever', example),
        initial: given[0] ?? ''
      })
    ];
  }
  const kind = option.mayRepeat ? 'lines' : 'text';
  const ofLines = option.mayRepeat ? `${help} · ${texts.__('one in each line')}` : help;
  return [plainField({ name, label, kind, help: ofLines, initial: given.join('\n') })];
}

function textsOf(
  option: ITaskOption,
  task: ITaskOptions,
  changed: ReadonlyMap<string, unknown>
): readonly (string | null)[] {
  const { option: name } = option;
  const given = task.values.get(name) ?? [];
  const own = changed.get(name);
  if (!option.takesValue) {
    return own === undefined ? given : own === true ? [null] : [];
  }
  if (option.isValueOptional) {
    const value = readTextOrNull(changed.get(valueField(name))) ?? given[0] ?? '';
    const isChanged = changed.has(valueField(name)) && value.trim() !== '';
    const isOn = own === undefined ? given.length > 0 || isChanged : own === true;
    return isOn ? [value === '' ? null : value] : [];
  }
  if (typeof own !== 'string') {
    return given;
  }
  return (option.mayRepeat ? own.split('\n') : [own]).filter(text => text.trim() !== '');
}

/** The name of the field for the value of an option that may go without. */
function valueField(option: string): string {
  return `${option} value`;
}

function labelOf(option: string, texts: ITexts): string {
  const labels: Readonly<Record<string, string>> = {
    '--retries': texts.__('Retries'),
    '--retry-delay': texts.__('Wait before a retry'),
    '--timeout': texts.__('Time limit'),
    '--in': texts.__('Inputs'),
    '--out': texts.__('Outputs'),
    '--after': texts.__('After'),
    '--cache': texts.__('Keep the result'),
    '--tag': texts.__('Tags'),
    '--wait': texts.__('Wait for it'),
    '--local': texts.__('Run in the kernel')
  };
  return Object.hasOwn(labels, option) ? labels[option] : option;
}

function valueLabelOf(option: string, texts: ITexts): string {
  return option === '--cache' ? texts.__('Keep it for') : texts.__('Value of %1', option);
}

function readTexts(data: unknown): (string | null)[] {
  const texts: unknown[] = Array.isArray(data) ? data : [];
  return texts.map(readTextOrNull);
}

function readOption(data: unknown): ITaskOption | null {
  const fields = readFields(data);
  const option = readTextOrNull(fields?.option);
  if (fields === null || option === null) {
    return null;
  }
  return {
    option,
    help: readTextOrNull(fields.help) ?? '',
    example: readTextOrNull(fields.example) ?? '',
    takesValue: fields.takes_value === true,
    isValueOptional: fields.value_is_optional === true,
    mayRepeat: fields.may_repeat === true
  };
}
