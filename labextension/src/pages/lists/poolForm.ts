/** The form of a work pool: the fields of its kind, made of the schema that the server has of it. */

import { html } from '../../drawing/elements';
import { serverText } from '../../drawing/translation';
import type { ITexts } from '../../drawing/translation';
import { plainField, readField } from '../../form/fields';
import type { IField } from '../../form/fields';
import { Form } from '../../form/form';
import type { FormValues } from '../../form/form';
import { readFields, readList, readTextOrNull } from '../../schemas';
import type { IFormPart } from '../askWithForm';

type Fields = Readonly<Record<string, unknown>>;

/** A kind of pools, and what is said of a pool of it. */
export interface IPoolKind {
  readonly kind: string;
  /** A JSON Schema. */
  readonly schema: Fields;
}

/** Where the job variables stand, and what is before the names of their fields. */
const JOB = 'job';
const JOB_FIELD = `${JOB}/`;
/** Said once for all kinds, or not in a form. */
const COMMON = ['name', 'kind', 'description', 'concurrency', 'paused', JOB];

/** Read the kinds that the server knows. */
export function readPoolKinds(data: unknown): readonly IPoolKind[] {
  return readList(readFields(data)?.kinds, one => {
    const fields = readFields(one);
    const [kind, schema] = [readTextOrNull(fields?.kind), readFields(fields?.schema)];
    return kind === null || schema === null ? null : { kind, schema };
  });
}

/** Give the field of a place of what was sent: a job variable has its own. */
export function poolFieldAt(pointer: string): string {
  const [first, second] = pointer.replace(/^#?\//, '').split('/');
  return first === JOB && second !== undefined ? `${JOB_FIELD}${second}` : first;
}

/** Asks what a pool says; of a new one its name and kind, too. */
export class PoolForm implements IFormPart {
  /** @param known - what the pool says that is changed; null for a new one */
  constructor(kinds: readonly IPoolKind[], known: Fields | null, texts: ITexts) {
    const shownKinds =
      known === null ? kinds : kinds.filter(({ kind }) => kind === readTextOrNull(known.kind));
    const first = shownKinds[0] ?? { kind: 'local', schema: {} };
    this._kind = first.kind;
    const common = (name: string): readonly IField[] => schemaFields(first.schema, [name], texts);
    const chosen = plainField({
      name: 'kind',
      label: texts.__('Kind'),
      kind: 'choice',
      help: texts.__('Where its runs go on.'),
      initial: JSON.stringify(first.kind),
      choices: shownKinds.map(({ kind }) => ({
        json: JSON.stringify(kind),
        label: kindWord(kind, texts)
      }))
    });
    this._head = new Form(
      [
        ...(known === null ? [...common('name'), chosen] : []),
        ...common('description'),
        ...common('concurrency'),
        ...(known === null ? common('paused') : [])
      ],
      texts,
      null
    );
    this._ofKinds = new Map(
      shownKinds.map(({ kind, schema }) => [kind, new KindForm(schema, texts)] as const)
    );
    const select = this._head.node.querySelector('select');
    select?.addEventListener('change', () => {
      this._kind = String(JSON.parse(select.value));
      this._showKind();
    });
    this.node.append(this._head.node, ...[...this._ofKinds.values()].map(form => form.node));
    if (known !== null) {
      this._head.fill(known);
      this._ofKinds.get(this._kind)?.fill(known);
    }
    this._showKind();
  }

  readonly node = html('div', { class: 'orc-pool-form' });

  /** Read what is filled in; null where something is wrong, which is shown. */
  read(givesFocus = true): FormValues | null {
    const ofKind = this._ofKinds.get(this._kind);
    const read = [this._head.read(givesFocus), ofKind?.read(givesFocus) ?? null];
    return read.some(values => values === null)
      ? null
      : new Map(read.flatMap(values => [...(values ?? [])]));
  }

  /** Show errors at their fields; false where none of them has a field here. */
  showErrors(errors: ReadonlyMap<string, string>, givesFocus = true): boolean {
    const shown = [this._head, this._ofKinds.get(this._kind)].map(form =>
      form?.showErrors(errors, givesFocus)
    );
    return shown.some(isShown => isShown === true);
  }

  /** Give what is sent for what is filled in, as JSON: of a new pool its name, too. */
  body(values: FormValues): string {
    const members = [...values].filter(([name]) => !name.startsWith(JOB_FIELD) && name !== 'kind');
    const said = [['kind', JSON.stringify(this._kind)] as const, ...members];
    if (this._ofKinds.get(this._kind)?.hasJob === true) {
      // of a pool of this kind it has to be said, also where each deployment names its own
      const job = new Map([[`${JOB_FIELD}image`, '""'], ...values]);
      const variables = [...job].filter(([name]) => name.startsWith(JOB_FIELD));
      said.push([
        JOB,
        objectOf(variables.map(([name, json]) => [name.slice(JOB_FIELD.length), json]))
      ]);
    }
    return objectOf(said);
  }

  private _showKind(): void {
    for (const [kind, form] of this._ofKinds) {
      form.node.hidden = kind !== this._kind;
    }
  }

  private readonly _head: Form;
  private readonly _ofKinds: ReadonlyMap<string, KindForm>;
  private _kind: string;
}

/** The fields that only pools of one kind have; job variables but the image are folded away. */
class KindForm {
  constructor(schema: Fields, texts: ITexts) {
    const properties = readFields(schema.properties) ?? {};
    const own = Object.keys(properties).filter(name => !COMMON.includes(name));
    const job = readFields(properties[JOB]);
    const definitions = { $defs: schema.$defs };
    const variables =
      job === null
        ? []
        : schemaFields(
            { ...job, ...definitions },
            Object.keys(readFields(job.properties) ?? {}),
            texts
          );
    const named = variables.map(field => ({ ...field, name: `${JOB_FIELD}${field.name}` }));
    const isImage = ({ name }: IField): boolean => name === `${JOB_FIELD}image`;
    this.hasJob = job !== null;
    this._main = new Form(
      [...schemaFields(schema, own, texts), ...named.filter(isImage)],
      texts,
      null
    );
    this._more = new Form(
      named.filter(field => !isImage(field)),
      texts,
      null
    );
    this._details = html(
      'details',
      { class: 'orc-form-more' },
      html('summary', {}, texts.__('More job variables')),
      this._more.node
    );
    this.node.append(this._main.node, ...(job === null ? [] : [this._details]));
  }

  readonly node = html('div');
  readonly hasJob: boolean;

  fill(known: Fields): void {
    const job = Object.entries(readFields(known[JOB]) ?? {});
    const values = {
      ...known,
      ...Object.fromEntries(job.map(([name, value]) => [`${JOB_FIELD}${name}`, value]))
    };
    this._main.fill(values);
    this._more.fill(values);
    this._details.open = job.some(([name]) => name !== 'image');
  }

  read(givesFocus: boolean): FormValues | null {
    const read = [this._main.read(givesFocus), this._more.read(givesFocus)];
    return read.some(values => values === null)
      ? null
      : new Map(read.flatMap(values => [...(values ?? [])]));
  }

  showErrors(errors: ReadonlyMap<string, string>, givesFocus: boolean): boolean {
    const isInMain = this._main.showErrors(errors, givesFocus);
    return this._more.showErrors(errors, givesFocus && !isInMain) || isInMain;
  }

  private readonly _main: Form;
  private readonly _more: Form;
  private readonly _details: HTMLDetailsElement;
}

/** Give the words of a kind. */
export function kindWord(kind: string, texts: ITexts): string {
  const words: Readonly<Record<string, string>> = {
    local: texts.__('local: processes of the machine that serves it'),
    dask: texts.__('dask: a Dask cluster that its runs share'),
    docker: texts.__('docker: a container for each run'),
    kubernetes: texts.__('kubernetes: a job for each run')
  };
  return words[kind] ?? kind;
}

/** Give the fields of some properties of a schema; empty means as if it were not there. */
function schemaFields(schema: Fields, names: readonly string[], texts: ITexts): readonly IField[] {
  const properties = readFields(schema.properties) ?? {};
  const definitions = readFields(schema.$defs) ?? {};
  const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return names.flatMap(name => {
    const parameter = { name, required: required.includes(name), annotated: true };
    const field = readField(parameter, properties, definitions);
    if (field === null) {
      return [];
    }
    const words = { label: serverText(texts, field.label), help: serverText(texts, field.help) };
    return [{ ...field, ...words, isNullable: false }];
  });
}

function objectOf(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([name, json]) => `${JSON.stringify(name)}: ${json}`).join(', ')}}`;
}
