/** The work pools: what each is, and how many of its runs wait and go on. They are made, changed, paused and deleted. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { askWithForm } from '../askWithForm';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import { changeKnown } from './knownChange';
import { ListPage } from './listPage';
import { ListTable, twoLines } from './listTable';
import type { IDone, INews } from './listTable';
import { PoolForm, kindWord, poolFieldAt, readPoolKinds } from './poolForm';
import type { IPoolKind } from './poolForm';

const PATH = ['pools'];
const NEED: INeed = { role: 'author', isForAll: true };
/** That of whatever names none: it stays. */
const DEFAULT_POOL = 'default';

/** A pool. */
export interface IPool {
  readonly name: string;
  readonly kind: string;
  readonly description: string;
  /** How many of its runs go on at once; null for any number. */
  readonly concurrency: number | null;
  readonly isPaused: boolean;
  readonly waiting: number;
  /** Those of the waiting whose time has come. */
  readonly due: number;
  readonly running: number;
  readonly workers: number;
}

/** What depends on a pool. */
interface IUse {
  readonly deployments: readonly string[];
  readonly automations: readonly string[];
  readonly waiting: number;
  readonly running: number;
  /** Names of the services and workers that serve it. */
  readonly servedBy: readonly string[];
}

/** Shows them. */
export class PoolsPage extends ListPage {
  constructor(private readonly _context: IPageContext) {
    const { texts, pagesApi } = _context;
    super(
      texts.__('Work pools'),
      texts.__('Runs of deployments wait in pools until a service or a worker takes them.')
    );
    const list = new ListTable<IPool>(_context, {
      label: texts.__('Work pools'),
      columns: [
        {
          label: texts.__('Name'),
          kind: 'name',
          show: pool => twoLines(pool.name, pool.description)
        },
        { label: texts.__('Kind'), show: pool => pool.kind },
        {
          label: texts.__('State'),
          show: pool => (pool.isPaused ? texts.__('Paused') : texts.__('Active'))
        },
        {
          label: texts.__('At once'),
          kind: 'number',
          show: ({ concurrency }) =>
            concurrency === null ? texts.__('any number') : String(concurrency)
        },
        { label: texts.__('Running'), kind: 'number', show: pool => String(pool.running) },
        {
          label: texts.__('Waiting'),
          kind: 'number',
          show: ({ waiting, due }) => (waiting === 0 ? '0' : texts.__('%1 (%2 due)', waiting, due))
        },
        { label: texts.__('Workers'), kind: 'number', show: pool => String(pool.workers) }
      ],
      actions: [
        {
          label: texts.__('Change…'),
          name: pool => texts.__('Change… %1', pool.name),
          need: NEED,
          act: pool => this._change(pool)
        },
        {
          label: texts.__('Pause'),
          name: pool => texts.__('Pause %1', pool.name),
          need: NEED,
          isOffered: pool => !pool.isPaused,
          act: pool => this._set(pool, 'pause')
        },
        {
          label: texts.__('Resume'),
          name: pool => texts.__('Resume %1', pool.name),
          need: NEED,
          isOffered: pool => pool.isPaused,
          act: pool => this._set(pool, 'resume')
        },
        {
          label: texts.__('Delete…'),
          name: pool => texts.__('Delete… %1', pool.name),
          need: NEED,
          isOffered: pool => pool.name !== DEFAULT_POOL,
          act: pool => this._remove(pool)
        }
      ],
      making: { label: texts.__('New pool…'), need: NEED, act: () => this._make() },
      key: pool => pool.name,
      read: async (_, after) => {
        const fields = readFields(await pagesApi.call('GET', ['pools'], { after }));
        return { rows: readList(fields?.pools, readPool), next: readTextOrNull(fields?.next) };
      },
      empty: () => [texts.__('No pools yet.')]
    });
    this.add(list);
  }

  private async _make(): Promise<INews | null> {
    const { pagesApi, texts } = this._context;
    const form = new PoolForm(await this._kinds(), null, texts);
    let made: unknown = null;
    const isDone = await askWithForm(
      {
        title: texts.__('New pool'),
        parts: [form],
        act: texts.__('Make the pool'),
        send: async values => {
          made = await pagesApi.call('POST', PATH, {}, form.body(values));
        },
        fieldAt: poolFieldAt
      },
      texts
    );
    const name = readPool(readFields(made)?.summary)?.name ?? '';
    return isDone
      ? { news: texts.__('Pool %1 is there.', name), warnings: this._warnings(made) }
      : null;
  }

  private async _change(pool: IPool): Promise<IDone<IPool> | null> {
    const { pagesApi, texts } = this._context;
    const [kinds, seen] = await Promise.all([
      this._kinds(),
      pagesApi.call('GET', [...PATH, pool.name])
    ]);
    const form = new PoolForm(kinds, readFields(readFields(seen)?.form) ?? {}, texts);
    let changed: unknown = null;
    const isDone = await askWithForm(
      {
        title: texts.__('Change pool %1', pool.name),
        body: [html('p', {}, kindWord(pool.kind, texts)), form.node],
        parts: [form],
        act: texts.__('Change'),
        send: async values => {
          changed = await changeKnown(pagesApi, {
            method: 'PUT',
            path: [...PATH, pool.name],
            sent: form.body(values),
            known: saidOf(seen),
            part: saidOf,
            refusal: texts.__(
              'Somebody else has changed %1 meanwhile. Copy what you wrote, and open it again.',
              pool.name
            )
          });
        },
        fieldAt: poolFieldAt
      },
      texts
    );
    const row = readPool(readFields(changed)?.summary) ?? pool;
    const news = texts.__('Pool %1 is changed.', pool.name);
    return isDone ? { row, news, warnings: this._warnings(changed) } : null;
  }

  private async _remove(pool: IPool): Promise<IDone<IPool> | null> {
    const { pagesApi, texts } = this._context;
    const path = [...PATH, pool.name];
    const use = readUse(await pagesApi.call('GET', path));
    const isDone = await ask(
      {
        title: texts.__('Delete pool %1?', pool.name),
        body: useWords(use, pool, texts).map(words => html('p', {}, words)),
        act: texts.__('Delete'),
        leave: texts.__('Keep'),
        onAct: async () => {
          await changeKnown(pagesApi, {
            method: 'DELETE',
            path,
            query: { force: String(use.deployments.length > 0) },
            sent: null,
            known: usersOf(use),
            part: body => usersOf(readUse(body)),
            refusal: texts.__(
              'Meanwhile something else uses pool %1. Close this, and look again.',
              pool.name
            )
          });
          return true;
        }
      },
      texts
    );
    return isDone ? { row: null, news: texts.__('Pool %1 is deleted.', pool.name) } : null;
  }

  private async _kinds(): Promise<readonly IPoolKind[]> {
    return readPoolKinds(await this._context.pagesApi.call('GET', ['pool-kinds']));
  }

  /** Give why runs of a pool that was answered cannot begin, if anything says so. */
  private _warnings(details: unknown): readonly string[] {
    const warning = readTextOrNull(readFields(details)?.warning);
    return warning === null ? [] : [warning];
  }

  private async _set(pool: IPool, what: 'pause' | 'resume'): Promise<IDone<IPool>> {
    const { pagesApi, texts } = this._context;
    const fields = readFields(await pagesApi.call('POST', ['pools', pool.name, what]));
    return {
      row: readPool(fields?.summary) ?? pool,
      news:
        what === 'pause'
          ? texts.__('Pool %1 is paused: its runs wait; those that have begun go on.', pool.name)
          : texts.__('Pool %1 is active again.', pool.name)
    };
  }
}

function readPool(data: unknown): IPool | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  if (fields === null || name === null) {
    return null;
  }
  return {
    name,
    kind: readTextOrNull(fields.kind) ?? '',
    description: readTextOrNull(fields.description) ?? '',
    concurrency: readNumber(fields.concurrency),
    isPaused: fields.is_paused === true,
    waiting: readNumber(fields.waiting) ?? 0,
    due: readNumber(fields.due) ?? 0,
    running: readNumber(fields.running) ?? 0,
    workers: readNumber(fields.workers) ?? 0
  };
}

/** Give what a pool says, as JSON, but whether it is paused: that stays as it is. */
function saidOf(details: unknown): string {
  const form = readFields(readFields(details)?.form) ?? {};
  return JSON.stringify(Object.entries(form).filter(([name]) => name !== 'paused'));
}

function readUse(details: unknown): IUse {
  const fields = readFields(details);
  const names = (field: unknown): readonly string[] => readList(field, readTextOrNull);
  const summary = readPool(fields?.summary);
  return {
    deployments: names(fields?.deployments),
    automations: names(fields?.automations),
    waiting: summary?.waiting ?? 0,
    running: summary?.running ?? 0,
    servedBy: readList(fields?.served_by, one => {
      const worker = readFields(one);
      return worker?.is_up === true ? readTextOrNull(worker.name) : null;
    })
  };
}

/** Give what names a pool, as JSON: of that whoever deletes it was told. */
function usersOf({ deployments, automations }: IUse): string {
  return JSON.stringify([deployments, automations]);
}

/** Say what becomes of what uses a pool when it is deleted. */
function useWords(use: IUse, { name }: IPool, texts: ITexts): readonly string[] {
  const { deployments, automations, waiting, running, servedBy } = use;
  const words = [
    ...(deployments.length === 0
      ? []
      : [
          texts.__(
            'These deployments name it: %1. Their runs wait until there is a pool %2 again, or they name another one.',
            deployments.join(', '),
            name
          )
        ]),
    ...(automations.length === 0
      ? []
      : [texts.__('These automations name it, and fail then: %1.', automations.join(', '))]),
    ...(waiting === 0
      ? []
      : [
          texts._n('%1 run waits in it, and stays so.', '%1 runs wait in it, and stay so.', waiting)
        ]),
    ...(running === 0
      ? []
      : [texts._n('%1 run goes on to its end.', '%1 runs go on to their end.', running)]),
    ...(servedBy.length === 0
      ? []
      : [texts.__('It is served by %1, which then has nothing to do for it.', servedBy.join(', '))])
  ];
  return words.length === 0 ? [texts.__('Nothing uses it.')] : words;
}
