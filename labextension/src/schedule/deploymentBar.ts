/** Shows the deployments that a notebook has: which one is changed, how it stands, with buttons to pause and delete it. */

import { button, html, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import type { IDeployment } from './records';
import { soonText } from './times';

/** What the bar needs. */
export interface IDeploymentBarOptions {
  readonly deployments: readonly IDeployment[];
  readonly texts: ITexts;
  /** The reader's time zone. */
  readonly reader: string;
  readonly locale?: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called with the deployment that is to be changed, null for a new one, and with the place of its schedule. */
  readonly selected: (deployment: IDeployment | null, at: number) => void;
  readonly setPaused: (deployment: IDeployment, isPaused: boolean) => Promise<void>;
  readonly remove: (deployment: IDeployment) => Promise<void>;
}

let bars = 0;

/** Draws the bar; hidden where the notebook has no deployment. */
export class DeploymentBar {
  constructor(private readonly _options: IDeploymentBarOptions) {
    bars += 1;
    const { texts } = _options;
    this._deployments = [..._options.deployments];
    this._select = html('select', { id: `orc-bar-${bars}` });
    this._schedules = html('select', { id: `orc-bar-${bars}-schedule` });
    this._schedulesRow = row(texts.__('Schedule'), this._schedules);
    this._status = html('span', { class: 'orc-deployment-status', role: 'status' });
    this._actions = html('span', { class: 'orc-deployment-actions' });
    const help = texts.__('Saving takes the notebook as it is now.');
    this._help = html('div', { class: 'orc-form-help' }, help);
    this.node = html(
      'div',
      { class: 'orc-deployment-bar' },
      row(texts.__('Deployment'), this._select),
      html('div', { class: 'orc-deployment-line' }, this._status, this._actions),
      this._help,
      this._schedulesRow
    );
    this._select.addEventListener('change', () => this._choose());
    this._schedules.addEventListener('change', () => this._tell());
    this.node.addEventListener('input', event => event.stopPropagation());
    this.node.hidden = this._deployments.length === 0;
    this._fillSelect(this._deployments[0]?.name ?? '');
  }

  readonly node: HTMLElement;

  /** The deployment that is changed; null for a new one. */
  get deployment(): IDeployment | null {
    return this._deployments.find(each => each.name === this._select.value) ?? null;
  }

  /** The place of the schedule that is changed, from 0. */
  get at(): number {
    return Number(this._schedules.value || 0);
  }

  /** Show a deployment as it is now. */
  replace(deployment: IDeployment): void {
    this._deployments = this._deployments.map(each =>
      each.name === deployment.name ? deployment : each
    );
    this._fillSelect(deployment.name);
  }

  /** Say which deployment is changed, and which of its schedules. */
  private _tell(): void {
    this._options.selected(this.deployment, this.at);
  }

  private _choose(): void {
    this._schedules.replaceChildren();
    this._show();
    this._tell();
  }

  private _fillSelect(chosen: string): void {
    const { texts } = this._options;
    this._select.replaceChildren(
      ...this._deployments.map(({ name }) => html('option', { value: name }, name)),
      html('option', { value: '' }, texts.__('A new one'))
    );
    this._select.value = chosen;
    this._show();
  }

  private _show(): void {
    const { deployment } = this;
    const words = deployment?.words ?? [];
    const before = this.at;
    const { texts } = this._options;
    this._schedules.replaceChildren(
      ...words.map((text, at) => html('option', { value: at }, text)),
      html('option', { value: words.length }, texts.__('A further one'))
    );
    this._schedules.value = String(Math.min(before, Math.max(0, words.length - 1)));
    this._schedulesRow.hidden = words.length === 0;
    this._help.hidden = deployment === null;
    showText(this._status, deployment === null ? '' : this._statusText(deployment));
    this._showActions(deployment);
  }

  private _statusText(deployment: IDeployment): string {
    const { locale, now, reader, texts } = this._options;
    const next =
      deployment.nextAt === null
        ? texts.__('not due any more')
        : texts.__('next %1', soonText(deployment.nextAt, now(), reader, locale));
    const parts = [
      texts.__('version %1', deployment.version),
      deployment.isPaused ? texts.__('paused') : next,
      deployment.problem
    ];
    return parts.filter(part => part !== '').join(' · ');
  }

  private _showActions(deployment: IDeployment | null): void {
    const { texts } = this._options;
    if (deployment === null) {
      this._actions.replaceChildren();
      return;
    }
    const { isPaused } = deployment;
    const pause = isPaused
      ? button(texts.__('Resume'), texts.__('Have its schedules go on from now'), () =>
          this._setPaused(deployment)
        )
      : button(texts.__('Pause'), texts.__('Have its schedules rest'), () =>
          this._setPaused(deployment)
        );
    const remove = button(
      texts.__('Delete…'),
      texts.__('Delete this deployment; its runs stay'),
      () => this._askWhetherToRemove(deployment)
    );
    this._actions.replaceChildren(pause, remove);
  }

  private _setPaused(deployment: IDeployment): void {
    this._during(() => this._options.setPaused(deployment, !deployment.isPaused));
  }

  private _askWhetherToRemove(deployment: IDeployment): void {
    const { texts } = this._options;
    const keep = button(texts.__('Keep it'), '', () => {
      this._showActions(deployment);
      this._focusAction(1);
    });
    const remove = button(texts.__('Delete it'), '', () =>
      this._during(() => this._options.remove(deployment))
    );
    this._actions.replaceChildren(
      html('span', {}, texts.__('Runs that wait are cancelled.')),
      remove,
      keep
    );
    keep.focus();
  }

  /** Do something during which its buttons cannot be pressed. */
  private _during(act: () => Promise<void>): void {
    const buttons = [...this._actions.querySelectorAll('button')];
    buttons.forEach(each => each.setAttribute('disabled', ''));
    void act().finally(() => {
      if (this.node.isConnected) {
        this._show();
        this._focusAction(0);
      }
    });
  }

  private _focusAction(at: number): void {
    this._actions.querySelectorAll('button')[at]?.focus();
  }

  private _deployments: IDeployment[];
  private readonly _select: HTMLSelectElement;
  private readonly _schedules: HTMLSelectElement;
  private readonly _schedulesRow: HTMLElement;
  private readonly _status: HTMLElement;
  private readonly _actions: HTMLElement;
  private readonly _help: HTMLElement;
}

function row(label: string, select: HTMLSelectElement): HTMLElement {
  return html('div', { class: 'orc-form-field' }, html('label', { for: select.id }, label), select);
}
