/** The work pools: what each is, how many of its runs wait and go on, and whether it is paused. */

import { NO_BOUNDS, plainField } from '../../form/fields';
import { Form } from '../../form/form';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { askWithForm } from '../askWithForm';
import type { IPageContext } from '../page';
import { ListPage } from './listPage';
import { ListTable, twoLines, withCommand } from './listTable';
import type { IDone } from './listTable';

const NEED: INeed = { role: 'author', isForAll: true };

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
        }
      ],
      key: pool => pool.name,
      read: async (_, after) => {
        const fields = readFields(await pagesApi.call('GET', ['pools'], { after }));
        return { rows: readList(fields?.pools, readPool), next: readTextOrNull(fields?.next) };
      },
      empty: () =>
        withCommand(
          texts.__('No pools yet. In a terminal: %1', '%1'),
          'orchestra pools create gpu --concurrency 2'
        )
    });
    this.add(list);
  }

  private async _change(pool: IPool): Promise<IDone<IPool> | null> {
    const { pagesApi, texts } = this._context;
    const form = new Form(
      [
        plainField({
          name: 'concurrency',
          label: texts.__('Runs at once'),
          kind: 'integer',
          help: texts.__('Empty for any number. A pool that starts nothing is paused.'),
          bounds: { ...NO_BOUNDS, minimum: 1 }
        }),
        plainField({
          name: 'description',
          label: texts.__('Description'),
          kind: 'text',
          help: ''
        })
      ],
      texts,
      null
    );
    form.fill({ concurrency: pool.concurrency, description: pool.description });
    let row = pool;
    const isDone = await askWithForm(
      {
        title: texts.__('Change pool %1', pool.name),
        parts: [form],
        act: texts.__('Change'),
        send: async values => {
          const [concurrency, description] = ['concurrency', 'description'].map(
            field => values.get(field) ?? 'null'
          );
          const body = `{"concurrency": ${concurrency}, "description": ${description}}`;
          const fields = readFields(await pagesApi.call('PATCH', ['pools', pool.name], {}, body));
          row = readPool(fields?.summary) ?? pool;
        }
      },
      texts
    );
    return isDone ? { row, news: texts.__('Pool %1 is changed.', pool.name) } : null;
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
