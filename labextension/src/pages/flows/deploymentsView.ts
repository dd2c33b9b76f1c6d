/** The deployments of a flow: when each is due next, and its versions with what they changed. */

import { formatMoment } from '../../drawing/durations';
import { html, setAttributes, showCommands, showText } from '../../drawing/elements';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import { dueTime, showDueTimes } from './dueTime';
import type {
  IDeploymentTimes,
  IDeploymentVersion,
  IFieldChange,
  IFireTime,
  IFlowDeployment
} from './flowSchemas';

/** So many deployments are shown with their times and versions. */
const MOST_DEPLOYMENTS = 10;

/** A value in a change is cut behind so many characters. */
const LONGEST_VALUE = 200;

/** Shows the deployments; they are read anew when one has another version, or is due another time. */
export class DeploymentsView {
  constructor(private readonly _context: IPageContext) {
    this.node.append(this._problem, this._empty, this._list, this._others);
  }

  readonly node = html('div', { class: 'orc-deployments' });

  /** Show newer records. */
  update(deployments: readonly IFlowDeployment[]): void {
    const wanted = JSON.stringify(deployments);
    if (wanted === this._wanted) {
      showDueTimes(this.node, this._context);
      return;
    }
    this._wanted = wanted;
    const { texts } = this._context;
    const command = 'orchestra deploy FILE --name NAME';
    const none = texts.__('No deployment runs this flow. In a terminal: %1', command);
    showCommands(this._empty, deployments.length === 0 ? none : '', [command]);
    const others = deployments.slice(MOST_DEPLOYMENTS).map(({ name }) => name);
    showText(this._others, others.length === 0 ? '' : texts.__('And: %1', others.join(', ')));
    void this._read(
      deployments.slice(0, MOST_DEPLOYMENTS).map(({ name }) => name),
      wanted
    );
  }

  private async _read(names: readonly string[], wanted: string): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const read = await Promise.all(
        names.map(async name =>
          Promise.all([pagesApi.readDeployment(name), pagesApi.listVersions(name)])
        )
      );
      if (wanted === this._wanted) {
        showText(this._problem, '');
        this._list.replaceChildren(
          ...read.flatMap(([times, versions]) =>
            times === null ? [] : [this._draw(times, versions)]
          )
        );
      }
    } catch (error) {
      if (wanted === this._wanted) {
        this._wanted = ''; // the next change asks again
        showText(this._problem, errorText(error, texts));
      }
    }
  }

  private _draw(
    { name, version, is_paused, schedules, fire_times }: IDeploymentTimes,
    versions: readonly IDeploymentVersion[]
  ): HTMLElement {
    const { texts } = this._context;
    const standing = [texts.__('version %1', version), is_paused ? texts.__('paused') : ''];
    const section = html(
      'section',
      { 'data-deployment': name },
      html(
        'h2',
        {},
        name,
        ' ',
        html('span', { class: 'orc-detail' }, standing.filter(Boolean).join(', '))
      )
    );
    const rules = schedules.map(({ words, problem }) =>
      html('li', {}, problem === '' ? words : `${words} · ${problem}`)
    );
    section.append(
      rules.length === 0
        ? html('p', { class: 'orc-empty' }, texts.__('No schedule.'))
        : html('ul', { class: 'orc-files' }, ...rules)
    );
    if (fire_times.length > 0) {
      section.append(
        html('h3', {}, texts.__('Next')),
        html('ul', { class: 'orc-files' }, ...fire_times.map(time => this._fireTime(time)))
      );
    }
    section.append(html('h3', {}, texts.__('Versions')), this._versions(name, versions));
    return section;
  }

  private _fireTime({ at, words, note }: IFireTime): HTMLElement {
    const said = [words, note].filter(Boolean).join(' · ');
    const item = html('li', {}, said, ' ');
    item.append(html('span', { class: 'orc-detail' }, dueTime(at, this._context)));
    return item;
  }

  private _versions(name: string, versions: readonly IDeploymentVersion[]): HTMLElement {
    const { texts, locale } = this._context;
    const titles = [
      texts.__('Version'),
      texts.__('Made'),
      texts.__('By'),
      texts.__('Changes'),
      texts.__('Note')
    ];
    const rows = versions.map(({ version, created_at, created_by, note, changes }) =>
      html(
        'tr',
        {},
        html('th', { scope: 'row' }, String(version)),
        html('td', {}, html('time', { datetime: created_at }, formatMoment(created_at, locale))),
        html('td', {}, created_by),
        html('td', { class: 'orc-changes' }, changes.map(one => changeWords(one)).join('\n')),
        html('td', {}, note)
      )
    );
    const head = html('tr', {}, ...titles.map(title => html('th', { scope: 'col' }, title)));
    const table = html('table', {}, html('thead', {}, head), html('tbody', {}, ...rows));
    const scroll = html('div', { class: 'orc-table' }, table);
    const label = texts.__('Versions of %1', name);
    setAttributes(scroll, { role: 'region', 'aria-label': label, tabindex: 0 });
    return scroll;
  }

  private _wanted = '';
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _others = html('p', { class: 'orc-detail', hidden: true });
  private readonly _list = html('div');
}

/** Say what changed: "schedules[1].cron: 0 9 * * * → 0 8 * * *". */
export function changeWords({ field, before, after }: IFieldChange): string {
  const [from, to] = [before, after].map(value => {
    const text =
      value === undefined || value === null
        ? '–'
        : typeof value === 'string'
          ? value
          : JSON.stringify(value);
    return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
  });
  return `${field}: ${from} → ${to}`;
}
