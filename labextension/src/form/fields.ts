/**
 * The fields of a form for a notebook's parameters: made of what the server tells, which includes a JSON Schema.
 *
 * What is typed stays text until it is sent, and is sent as JSON text: a number of thirty digits, or `1.0`, arrives as it
 * was written. The obvious is checked here, all of it by the server.
 */

import type { ITexts } from '../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../schemas';

/** What a field is for; `any` takes JSON, or else a text, `lines` a text of several lines. */
export type FieldKind =
  | 'text'
  | 'lines'
  | 'integer'
  | 'number'
  | 'checkbox'
  | 'choice'
  | 'date'
  | 'datetime'
  | 'time'
  | 'list'
  | 'mapping'
  | 'any'
  | 'secret';

/** What a schema says of a value beside its type. */
export interface IBounds {
  readonly minimum: number | null;
  readonly exclusiveMinimum: number | null;
  readonly maximum: number | null;
  readonly exclusiveMaximum: number | null;
  readonly minLength: number | null;
  readonly maxLength: number | null;
}

/** One value that can be chosen. */
export interface IChoice {
  /** The value as JSON. */
  readonly json: string;
  readonly label: string;
}

/** One field. Texts are as they stand in its control: of a choice the JSON of its value, of a checkbox `true` or `false`. */
export interface IField {
  readonly name: string;
  readonly label: string;
  readonly kind: FieldKind;
  /** What the notebook says of it. */
  readonly help: string;
  /** Whether there is no default. */
  readonly isRequired: boolean;
  /** Whether an empty control means null. */
  readonly isNullable: boolean;
  /** What stands in the control when the form opens; sent only where there is no default. */
  readonly initial: string;
  /** How the default is written in the notebook, where only running it tells the value; else empty. */
  readonly computedDefault: string;
  readonly choices: readonly IChoice[];
  readonly bounds: IBounds;
  /** How a value is written, where the control does not tell; may be empty. */
  readonly example: string;
  /** Whether a text is typed unseen, with a button that shows it. */
  readonly isUnseen?: boolean;
  /** What is offered for a text; another may be typed. */
  readonly offers?: readonly string[];
  /** Whether a number has to be one that JSON has, neither NaN nor an infinity. */
  readonly isFinite?: boolean;
  /** Whether a value that it is filled with is sent as it was recorded, as long as nobody changes it. */
  readonly keepsGiven?: boolean;
}

/** What a notebook declares. */
export interface INotebookParameters {
  /** The file as runs name it. */
  readonly path: string;
  /** Whether there is a parameters cell. */
  readonly isDeclared: boolean;
  /** Why that cell cannot be read; else empty. */
  readonly problem: string;
  readonly fields: readonly IField[];
  /** Whether other names than these may be given: what its parameters cell declares cannot be told. */
  readonly takesOthers: boolean;
}

/** What a control gives: the JSON of a value, nothing where the default is meant, or what is wrong. */
export type FieldResult =
  { readonly json: string } | { readonly isLeftOut: true } | { readonly error: string };

type Schema = Readonly<Record<string, unknown>>;

const LEFT_OUT: FieldResult = { isLeftOut: true };
/** Of a value that may be any. */
export const NO_BOUNDS: IBounds = {
  minimum: null,
  exclusiveMinimum: null,
  maximum: null,
  exclusiveMaximum: null,
  minLength: null,
  maxLength: null
};

/** Formats of texts that people have to know, and how such a text is written. */
const EXAMPLES: Readonly<Record<string, string>> = {
  duration: '1h30m',
  time: '08:30',
  uuid: '123e4567-e89b-12d3-a456-426614174000',
  decimal: '12.50'
};
const ZONED = /(Z|[+-]\d\d:?\d\d)$/;
const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** Numbers that JSON does not have are texts for the server. */
const NON_FINITE = /^(NaN|-?Infinity)$/;
const STORED_NON_FINITE: Readonly<Record<string, string>> = {
  nan: 'NaN',
  inf: 'Infinity',
  '-inf': '-Infinity'
};

/** Read what the server tells of a notebook's parameters; null when it is nothing of that kind. */
export function readNotebookParameters(data: unknown): INotebookParameters | null {
  const fields = readFields(data);
  const schema = readFields(fields?.schema);
  if (fields === null || schema === null) {
    return null;
  }
  const properties = readFields(schema.properties) ?? {};
  const definitions = readFields(schema.$defs) ?? {};
  return {
    path: readTextOrNull(fields.path) ?? '',
    isDeclared: fields.declared === true,
    problem: readTextOrNull(fields.problem) ?? '',
    fields: readList(fields.parameters, parameter => readField(parameter, properties, definitions)),
    takesOthers: schema.additionalProperties === true
  };
}

/** Give a field that no parameter stands behind. */
export function plainField(
  field: Pick<IField, 'name' | 'label' | 'kind' | 'help'> & Partial<IField>
): IField {
  return {
    isRequired: false,
    isNullable: false,
    initial: field.kind === 'checkbox' ? 'false' : '',
    computedDefault: '',
    choices: [],
    bounds: NO_BOUNDS,
    example: '',
    ...field
  };
}

/** Read a parameter, of whose value the schema of its name tells; null when it is none. */
export function readField(data: unknown, properties: Schema, definitions: Schema): IField | null {
  const parameter = readFields(data);
  const name = readTextOrNull(parameter?.name);
  if (parameter === null || name === null) {
    return null;
  }
  const outer = readFields(properties[name]) ?? {};
  const { schema, isNullable } = withoutNull(outer, definitions);
  const isRequired = parameter.required === true;
  const isKnown = Object.hasOwn(outer, 'default');
  const value = outer.default;
  const choices = readChoices(schema);
  let kind: FieldKind = parameter.secret === true ? 'secret' : kindOf(schema, value);
  if (kind === 'integer' && parameter.annotated !== true) {
    kind = 'number'; // its default is whole, another value need not be
  }
  if (kind === 'checkbox' && (isNullable || !isKnown)) {
    kind = 'choice';
    choices.push(...[true, false].map(choiceOf));
  }
  const field = {
    name,
    label: readTextOrNull(outer.title) ?? name,
    kind,
    help: readTextOrNull(parameter.help) || (readTextOrNull(outer.description) ?? ''),
    isRequired,
    isNullable,
    computedDefault:
      isRequired || isKnown || kind === 'secret'
        ? ''
        : (readTextOrNull(parameter.default_source) ?? ''),
    choices,
    bounds: readBounds(schema),
    example: EXAMPLES[readTextOrNull(schema.format) ?? ''] ?? exampleOf(kind, schema)
  };
  return { ...field, initial: isKnown && kind !== 'secret' ? textOf(field.kind, value) : '' };
}

/** Give the schema of what is not null, with its references followed. */
function withoutNull(
  outer: Schema,
  definitions: Schema
): { readonly schema: Schema; readonly isNullable: boolean } {
  const schema = resolved(outer, definitions);
  const types = readList(schema.type, readTextOrNull);
  if (types.length === 2 && types.includes('null')) {
    const type = types.find(each => each !== 'null');
    return { schema: { ...schema, type }, isNullable: true };
  }
  const options = readList(schema.anyOf ?? schema.oneOf, readFields);
  const rest = options.filter(option => option.type !== 'null');
  if (rest.length === options.length) {
    return { schema, isNullable: schema.type === 'null' };
  }
  return { schema: rest.length === 1 ? resolved(rest[0], definitions) : {}, isNullable: true };
}

function resolved(outer: Schema, definitions: Schema): Schema {
  const whole = readList(outer.allOf, readFields);
  const schema = whole.length === 1 ? { ...whole[0], ...outer } : outer;
  const reference = readTextOrNull(schema.$ref) ?? '';
  const found = readFields(definitions[reference.replace('#/$defs/', '')]);
  return found === null ? schema : { ...found, ...schema };
}

function kindOf(schema: Schema, value: unknown): FieldKind {
  if (Array.isArray(schema.enum) || Object.hasOwn(schema, 'const')) {
    return 'choice';
  }
  switch (schema.type) {
    case 'boolean':
      return 'checkbox';
    case 'integer':
      return 'integer';
    case 'number':
      return 'number';
    case 'array':
      return 'list';
    case 'object':
      return 'mapping';
    case 'string':
      return stringKind(schema.format, value);
    default:
      return 'any';
  }
}

function stringKind(format: unknown, value: unknown): FieldKind {
  if (format === 'password') {
    return 'secret';
  }
  if (format === 'date') {
    return 'date';
  }
  // the browser's control has no place for a time zone
  const isZoned = typeof value === 'string' && ZONED.test(value);
  return format === 'date-time' && !isZoned ? 'datetime' : 'text';
}

function readChoices(schema: Schema): IChoice[] {
  const single: unknown[] = Object.hasOwn(schema, 'const') ? [schema.const] : [];
  const values: unknown[] = Array.isArray(schema.enum) ? schema.enum : single;
  return values.map(choiceOf);
}

/** Give the choice of a value. */
export function choiceOf(value: unknown): IChoice {
  return {
    json: JSON.stringify(value),
    label: typeof value === 'string' ? value : wordOf(value)
  };
}

/** Give the word that Python's readers know a value by. */
function wordOf(value: unknown): string {
  return value === true
    ? 'True'
    : value === false
      ? 'False'
      : value === null
        ? 'None'
        : JSON.stringify(value);
}

function readBounds(schema: Schema): IBounds {
  return {
    minimum: readNumber(schema.minimum),
    exclusiveMinimum: readNumber(schema.exclusiveMinimum),
    maximum: readNumber(schema.maximum),
    exclusiveMaximum: readNumber(schema.exclusiveMaximum),
    minLength: readNumber(schema.minLength),
    maxLength: readNumber(schema.maxLength)
  };
}

function exampleOf(kind: FieldKind, schema: Schema): string {
  if (kind !== 'mapping') {
    return kind === 'list' ? '[]' : '';
  }
  const names = Object.keys(readFields(schema.properties) ?? {});
  return `{${names.map(name => `${JSON.stringify(name)}: …`).join(', ')}}`;
}

/** Give the text that stands in the control for a value, which may be one that a run recorded. */
export function textOf(kind: FieldKind, value: unknown): string {
  const plain = sentValue(value);
  if (kind === 'choice') {
    return plain === null ? '' : JSON.stringify(plain);
  }
  if (typeof plain === 'object' && plain !== null) {
    return spacedJson(plain);
  }
  if (plain === null || plain === undefined) {
    return '';
  }
  return typeof plain === 'string' ? plain : JSON.stringify(plain);
}

/** Give what is sent for a value that a run recorded. */
export function sentValue(value: unknown): unknown {
  const stored = readTextOrNull(readFields(value)?.$float);
  return stored === null ? value : (STORED_NON_FINITE[stored] ?? stored);
}

/** Write JSON with blanks after commas and colons, in one line. */
function spacedJson(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(spacedJson).join(', ')}]`;
  }
  const fields = readFields(value);
  if (fields === null) {
    return JSON.stringify(value);
  }
  const members = Object.entries(fields).map(
    ([name, member]) => `${JSON.stringify(name)}: ${spacedJson(member)}`
  );
  return `{${members.join(', ')}}`;
}

/** Give what is sent for the text in a control, or what is wrong with it. */
export function readControl(field: IField, text: string, texts: ITexts): FieldResult {
  if (!field.isRequired && text === field.initial) {
    return LEFT_OUT;
  }
  const isPlain = field.kind === 'text' || field.kind === 'lines';
  const typed = isPlain || field.kind === 'secret' ? text : text.trim();
  const isText = isPlain && !field.isNullable && field.example === '';
  if (typed === '' && !(isText && !field.isRequired)) {
    if (field.isNullable) {
      return { json: 'null' };
    }
    return field.isRequired ? { error: texts.__('Fill this in.') } : LEFT_OUT;
  }
  switch (field.kind) {
    case 'integer':
      return INTEGER.test(typed)
        ? bounded(field, BigInt(typed.replace(/^\+/, '')).toString(), texts)
        : { error: texts.__('Write a whole number.') };
    case 'number':
      if (field.isFinite !== true && NON_FINITE.test(typed)) {
        return { json: JSON.stringify(typed) };
      }
      return NUMBER.test(typed)
        ? bounded(field, JSON_NUMBER.test(typed) ? typed : String(Number(typed)), texts)
        : { error: texts.__('Write a number.') };
    case 'checkbox':
    case 'choice':
      return { json: typed };
    case 'list':
    case 'mapping':
      return readJson(typed, field.kind, texts);
    case 'any':
      return { json: isJson(typed) ? typed : JSON.stringify(typed) };
    default:
      return checkedText(field, typed, texts);
  }
}

function bounded(field: IField, json: string, texts: ITexts): FieldResult {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = field.bounds;
  const value = Number(json);
  if (minimum !== null && value < minimum) {
    return { error: texts.__('At least %1.', minimum) };
  }
  if (exclusiveMinimum !== null && value <= exclusiveMinimum) {
    return { error: texts.__('More than %1.', exclusiveMinimum) };
  }
  if (maximum !== null && value > maximum) {
    return { error: texts.__('At most %1.', maximum) };
  }
  if (exclusiveMaximum !== null && value >= exclusiveMaximum) {
    return { error: texts.__('Less than %1.', exclusiveMaximum) };
  }
  return { json };
}

function checkedText(field: IField, text: string, texts: ITexts): FieldResult {
  const { minLength, maxLength } = field.bounds;
  const length = [...text].length;
  if (minLength !== null && length < minLength) {
    return { error: texts._n('At least %1 character.', 'At least %1 characters.', minLength) };
  }
  if (maxLength !== null && length > maxLength) {
    return { error: texts._n('At most %1 character.', 'At most %1 characters.', maxLength) };
  }
  return { json: JSON.stringify(text) };
}

function readJson(text: string, kind: 'list' | 'mapping', texts: ITexts): FieldResult {
  try {
    const value: unknown = JSON.parse(text);
    if (kind === 'list' && !Array.isArray(value)) {
      return { error: texts.__('Write a list, as in %1', '["a", "b"]') };
    }
    if (kind === 'mapping' && readFields(value) === null) {
      return { error: texts.__('Write a mapping, as in %1', '{"a": 1}') };
    }
    return { json: text };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { error: texts.__('This is no JSON: %1', why) };
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Give the help of a field with what its bounds and its default are. */
export function helpOf(field: IField, texts: ITexts): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = field.bounds;
  const said = [
    field.help,
    minimum === null ? '' : texts.__('at least %1', minimum),
    exclusiveMinimum === null ? '' : texts.__('more than %1', exclusiveMinimum),
    maximum === null ? '' : texts.__('at most %1', maximum),
    exclusiveMaximum === null ? '' : texts.__('less than %1', exclusiveMaximum),
    field.computedDefault === '' ? '' : texts.__('empty for %1', field.computedDefault),
    field.isNullable && field.kind !== 'choice' ? texts.__('empty for None') : '',
    field.kind === 'list' || field.kind === 'mapping' ? texts.__('as JSON') : '',
    field.kind === 'secret' && !field.isRequired ? texts.__("empty for the notebook's own") : ''
  ];
  return said.filter(part => part !== '').join(' · ');
}
