/** What the status bar says of runs: how many go on, and how many failed since somebody last looked. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { orchestraIcon } from './icon';
import type { IOverview } from './overview/overview';
import { runningCount, statusWords } from './overview/statusWords';
import type { IRunsModel } from './tokens';

/** What it needs. */
export interface IStatusItemOptions {
  readonly runs: IRunsModel;
  readonly overview: IOverview;
  readonly trans: TranslationBundle;
  readonly onClick: () => void;
}

/** The item. It is drawn anew when runs or alerts change. */
export class StatusItem extends ReactWidget {
  constructor(private readonly _options: IStatusItemOptions) {
    super();
    this.addClass('orc-status-item');
    _options.runs.changed.connect(this._redraw, this);
    _options.overview.alerts.changed.connect(this._redraw, this);
  }

  override dispose(): void {
    this._options.runs.changed.disconnect(this._redraw, this);
    this._options.overview.alerts.changed.disconnect(this._redraw, this);
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    const { runs, overview, trans, onClick } = this._options;
    const running = runningCount(runs.runs);
    const words = statusWords(running, overview.failedCount, trans);
    const failed = statusWords(0, overview.failedCount, trans);
    const title = words === '' ? trans.__('Orchestra: no run goes on') : `Orchestra: ${words}`;
    return (
      <>
        <button
          type="button"
          className="orc-status-button"
          title={trans.__('%1. Click to show the panel.', title)}
          aria-label={title}
          data-failed={overview.failedCount > 0}
          onClick={onClick}
        >
          <orchestraIcon.react tag="span" className="orc-status-icon" />
          {words !== '' && <span>{words}</span>}
        </button>
        {/* said once for each new failure, and not as runs come and go */}
        <span className="orc-sr-only" role="status">
          {failed === '' ? '' : `Orchestra: ${failed}`}
        </span>
      </>
    );
  }

  private _redraw(): void {
    this.update();
  }
}
