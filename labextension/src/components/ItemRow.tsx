/** What the rows of the side bar show beside runs and tasks: schedules, clusters, alerts, and what is not there. */

import { pauseIcon, refreshIcon, runIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { formatIn, formatMoment } from '../drawing/durations';
import { formatBytes, formatShare } from '../drawing/sizes';
import { serverText } from '../drawing/translation';
import type { ITexts } from '../drawing/translation';
import { errorText } from '../errorText';
import { OverviewCommandIDs } from '../overview/commandIDs';
import type { ICluster, IClusterWorker, IScheduled } from '../overview/records';
import { Failed, Late, Letter, Letters, More, Problem, Undelivered } from './AlertContent';
import { RowButton } from './RowButton';
import { RowName } from './RowName';
import { StateIcon } from './StateIcon';
import type { IItemContext, IItemProps } from './itemContext';
import { clusterMemory } from './overviewSections';
import type { ItemContent, Note } from './overviewSections';

// Code is the same in all languages.
const FIRST_CELL_LINE = '%%task clean';
const FIRST_COMMAND = 'orchestra run report.ipynb';
const FIRST_SCHEDULE = 'orchestra deploy report.ipynb --cron "0 8 * * 1-5"';

/** Give what tells a row apart for context menus, styles and tests. */
export function itemAttributes(content: ItemContent): Record<string, string> {
  switch (content.kind) {
    case 'schedule':
      return {
        'data-deployment': content.scheduled.name,
        'data-paused': String(content.scheduled.isPaused)
      };
    case 'cluster':
      return {
        'data-cluster': content.cluster.name,
        'data-running': String(content.cluster.isRunning)
      };
    case 'failed':
    case 'late':
      return { 'data-run-id': content.run.run_id };
    case 'undelivered':
      return { 'data-delivery': String(content.delivery.number) };
    case 'letter':
      return { 'data-letter': content.letter.id, 'data-letter-run': content.letter.runId };
    default:
      return {};
  }
}

/** Give the classes of a row. */
export function itemClass(content: ItemContent): string {
  // what can be done with a run can be done with it here, too
  return content.kind === 'failed' || content.kind === 'late'
    ? `orc-run orc-alert orc-${content.kind}`
    : `orc-item orc-${content.kind}`;
}

/** Tell whether a row is called by its parts: one with buttons or links, whose words would be among its own. */
export function hasParts({ kind }: ItemContent): boolean {
  return ['schedule', 'cluster', 'failed', 'late', 'undelivered', 'letter'].includes(kind);
}

/** Draws the content of a row. */
export function ItemRow(props: IItemProps<ItemContent>): React.JSX.Element {
  const { of, ...rest } = props;
  switch (of.kind) {
    case 'schedule':
      return <Scheduled of={of.scheduled} {...rest} />;
    case 'cluster':
      return <Cluster of={of.cluster} {...rest} />;
    case 'worker':
      return <Worker of={of.worker} {...rest} />;
    case 'failed':
      return <Failed of={of.run} {...rest} />;
    case 'late':
      return <Late of={of.run} {...rest} />;
    case 'undelivered':
      return <Undelivered of={of.delivery} {...rest} />;
    case 'letters':
      return <Letters of={of.count} {...rest} />;
    case 'more':
      return <More of={of.count} {...rest} />;
    case 'letter':
      return <Letter of={of.letter} {...rest} />;
    case 'trouble':
      return <Problem text={serverText(props.context.texts, of.text)} />;
    case 'problem':
      return <Problem text={errorText(of.error, props.context.texts)} />;
    case 'note':
      return <NoteText note={of.note} texts={props.context.texts} />;
  }
}

function Scheduled(props: IItemProps<IScheduled>): React.JSX.Element {
  const { of, context, isReachable, parts } = props;
  const { texts, locale, now } = context;
  const args = { deployment: of.name };
  const words = of.words.join('; ');
  return (
    <>
      <StateIcon id={parts.state} state={of.isPaused ? 'PAUSED' : 'SCHEDULED'} texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span id={parts.name} className="orc-row-names" title={of.name}>
            <RowName name={of.name} />
          </span>
          <ScheduleTime id={parts.time} of={of} texts={texts} locale={locale} now={now} />
          <span className="orc-row-actions">
            <RowButton
              icon={runIcon}
              label={texts.__('Run %1 now', of.name)}
              isReachable={isReachable}
              onClick={() => context.execute(OverviewCommandIDs.runDeployment, args)}
            />
            {of.isPaused ? (
              <RowButton
                icon={refreshIcon}
                label={texts.__('Resume the schedules of %1', of.name)}
                isReachable={isReachable}
                onClick={() => context.execute(OverviewCommandIDs.resumeDeployment, args)}
              />
            ) : (
              <RowButton
                icon={pauseIcon}
                label={texts.__('Pause the schedules of %1', of.name)}
                isReachable={isReachable}
                onClick={() => context.execute(OverviewCommandIDs.pauseDeployment, args)}
              />
            )}
          </span>
        </span>
        <span id={parts.message} className="orc-row-message" title={of.words.join('\n')}>
          {words}
        </span>
      </span>
    </>
  );
}

function ScheduleTime(props: {
  id: string;
  of: IScheduled;
  texts: ITexts;
  locale?: string;
  now: number;
}): React.JSX.Element {
  const { id, of, texts, locale, now } = props;
  if (of.isPaused) {
    return (
      <span id={id} className="orc-row-time orc-row-mark">
        {texts.__('paused')}
      </span>
    );
  }
  if (of.nextAt === null) {
    return (
      <span id={id} className="orc-row-time">
        {texts.__('never')}
      </span>
    );
  }
  return (
    <span
      id={id}
      className="orc-row-time"
      title={texts.__('Next: %1', formatMoment(of.nextAt, locale))}
    >
      {formatIn(of.nextAt, now, texts, locale)}
    </span>
  );
}

function Cluster(props: IItemProps<ICluster>): React.JSX.Element {
  const { of, context, isReachable, parts } = props;
  const { texts } = context;
  const name = of.name === 'local' ? texts.__('local') : of.name;
  const words = clusterWords(of, context);
  return (
    <>
      <span className="orc-dot" data-running={of.isRunning} aria-hidden="true" />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span id={parts.name} className="orc-row-names" title={clusterTitle(of, texts)}>
            <RowName name={name} />
          </span>
          {of.dashboardUrl !== '' && (
            <a
              className="orc-row-link"
              href={of.dashboardUrl}
              target="_blank"
              rel="noopener noreferrer"
              tabIndex={isReachable ? 0 : -1}
              title={texts.__('Open the Dask dashboard of %1', name)}
              onClick={event => event.stopPropagation()}
              onKeyDown={event => event.key === 'Enter' && event.stopPropagation()}
            >
              {texts.__('dashboard')}
            </a>
          )}
        </span>
        {of.problem === '' ? (
          <span id={parts.message} className="orc-row-message" title={words}>
            {words}
          </span>
        ) : (
          <span id={parts.error} className="orc-row-error" title={of.problem}>
            {of.problem}
          </span>
        )}
        <Gauge {...clusterMemory(of)} />
      </span>
    </>
  );
}

function clusterWords(cluster: ICluster, context: IItemContext): string {
  const { texts } = context;
  if (!cluster.isRunning) {
    return texts.__('not running; the first task starts it');
  }
  const { used, limit } = clusterMemory(cluster);
  const count = cluster.workers.length;
  const workers = texts._n('%1 worker', '%1 workers', count);
  return count === 0 ? workers : `${workers} · ${memoryWords(used, limit, context)}`;
}

function clusterTitle(cluster: ICluster, texts: ITexts): string {
  const used = cluster.usedBy.map(by => (by === 'settings' ? texts.__('the settings') : by));
  const lines = [cluster.name, used.length > 0 && texts.__('Named by %1', used.join(', '))];
  return lines.filter(Boolean).join('\n');
}

function memoryWords(used: number, limit: number, context: IItemContext): string {
  const { texts, locale } = context;
  return limit > 0
    ? texts.__('%1 of %2', ...formatShare(used, limit, locale))
    : formatBytes(used, locale);
}

/** A line as long as the share that is used; the words beside it say the same. */
function Gauge(props: { used: number; limit: number }): React.JSX.Element | null {
  if (props.limit <= 0) {
    return null;
  }
  const share = Math.min(1, props.used / props.limit);
  return (
    <span className="orc-gauge" data-full={share > 0.9} aria-hidden="true">
      <span style={{ width: `${100 * share}%` }} />
    </span>
  );
}

function Worker(props: IItemProps<IClusterWorker>): React.JSX.Element {
  const { of, context } = props;
  return (
    <span className="orc-row-main">
      <span className="orc-row-head">
        <span className="orc-row-names" title={of.host}>
          <RowName name={of.name} />
        </span>
        <span className="orc-row-time">{memoryWords(of.memoryBytes, of.limitBytes, context)}</span>
      </span>
    </span>
  );
}

function NoteText(props: { note: Note; texts: ITexts }): React.JSX.Element {
  const { note, texts } = props;
  switch (note) {
    case 'loading':
      return <span className="orc-note-text">{texts.__('Loading…')}</span>;
    case 'noAlerts':
      return (
        <span className="orc-note-text">
          {texts.__('Nothing has failed since you last looked.')}
        </span>
      );
    case 'noRuns':
      return (
        <span className="orc-empty">
          <p>{texts.__('No runs yet.')}</p>
          <p>{texts.__('Put this on the first line of a cell, and run the cell:')}</p>
          <pre>{FIRST_CELL_LINE}</pre>
          <p>{texts.__('Or right-click a notebook and choose Run as Flow…, or in a terminal:')}</p>
          <pre>{FIRST_COMMAND}</pre>
        </span>
      );
    case 'noSchedules':
      return (
        <span className="orc-empty">
          <p>{texts.__('Nothing runs by itself yet.')}</p>
          <p>{texts.__('Right-click a notebook and choose Schedule…, or in a terminal:')}</p>
          <pre>{FIRST_SCHEDULE}</pre>
        </span>
      );
  }
}
