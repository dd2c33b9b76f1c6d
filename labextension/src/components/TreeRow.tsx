/** The rows of the side bar's tree: a section, a run, a task, or what else sections show. */

import {
  caretDownIcon,
  caretRightIcon,
  checkIcon,
  stopIcon,
  textEditorIcon
} from '@jupyterlab/ui-components';
import React, { useId } from 'react';

import {
  formatAgo,
  formatDuration,
  formatElapsed,
  formatMoment,
  secondsRun
} from '../drawing/durations';
import { isFailure, isLive, stateLook } from '../drawing/states';
import { errorWords, timeWords } from '../drawing/taskWords';
import type { ITexts } from '../drawing/translation';
import type { IRun, ITaskView } from '../schemas';
import { ItemRow, hasParts, itemAttributes, itemClass } from './ItemRow';
import { RowButton } from './RowButton';
import { RowName } from './RowName';
import { StateIcon } from './StateIcon';
import type { IItemContext } from './itemContext';
import { namedBy, rowParts } from './rowParts';
import type { IRowParts } from './rowParts';
import { shownAt } from './rows';
import type { Row, Section } from './rows';

/** What all rows need. */
export interface IRowContext extends IItemContext {
  /** The key of the row that Tab leads to. */
  readonly entry: string | null;
  readonly onToggle: (row: Row) => void;
  readonly onActivate: (row: Row) => void;
  readonly onFocus: (row: Row) => void;
  readonly onLogs: (run: IRun) => void;
  readonly onCancel: (run: IRun) => void;
  /** Undefined where there is nothing to be marked as seen. */
  readonly onSeen?: () => void;
  readonly register: (key: string, node: HTMLElement | null) => void;
}

/** Draws one row of any kind. */
export function TreeRow(props: { row: Row; context: IRowContext }): React.JSX.Element {
  const { row, context } = props;
  const parts = rowParts(useId());
  const isNamed = row.kind === 'run' || (row.kind === 'item' && hasParts(row.content));
  const record = row.kind === 'run' ? row.run : row.kind === 'task' ? row.task : null;
  return (
    <div
      className={`orc-row ${row.kind === 'item' ? itemClass(row.content) : `orc-${row.kind}`}`}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.size}
      aria-expanded={row.isOpen ?? undefined}
      aria-label={row.kind === 'section' ? sectionName(row, context.texts) : undefined}
      aria-labelledby={isNamed ? namedBy(parts) : undefined}
      tabIndex={row.key === context.entry ? 0 : -1}
      data-key={row.key}
      data-section={row.kind === 'section' ? row.section : undefined}
      data-run-id={row.kind === 'run' ? row.key : undefined}
      data-task-id={row.kind === 'task' ? row.key : undefined}
      data-orchestra-run={row.kind === 'run' ? row.run.name : undefined}
      data-orchestra-task={row.kind === 'task' ? row.task.name : undefined}
      data-state={record?.state}
      data-tone={record === null ? undefined : stateLook(record.state).tone}
      {...(row.kind === 'item' ? itemAttributes(row.content) : {})}
      ref={node => context.register(row.key, node)}
      onFocus={() => context.onFocus(row)}
      onClick={() => context.onActivate(row)}
    >
      <Caret row={row} onToggle={context.onToggle} />
      {row.kind === 'section' && <SectionContent row={row} context={context} />}
      {row.kind === 'run' && (
        <RunContent run={row.run} error={row.error} parts={parts} context={context} />
      )}
      {row.kind === 'task' && <TaskContent task={row.task} live={row.live} context={context} />}
      {row.kind === 'item' && (
        <ItemRow
          of={row.content}
          context={context}
          isReachable={row.key === context.entry}
          parts={parts}
        />
      )}
    </div>
  );
}

/** The mouse's way to open a row; the keyboard has the arrows, screen readers `aria-expanded`. */
function Caret(props: { row: Row; onToggle: (row: Row) => void }): React.JSX.Element {
  const { row, onToggle } = props;
  if (row.isOpen === null) {
    return <span className="orc-row-caret" />;
  }
  const icon = row.isOpen ? caretDownIcon : caretRightIcon;
  return (
    <span
      className="orc-row-caret"
      aria-hidden="true"
      onClick={event => {
        event.stopPropagation();
        onToggle(row);
      }}
    >
      <icon.react tag="span" />
    </span>
  );
}

function SectionContent(props: {
  row: Row & { kind: 'section' };
  context: IRowContext;
}): React.JSX.Element {
  const { row, context } = props;
  const { texts, onSeen } = context;
  return (
    <>
      <span className="orc-section-title">{sectionTitle(row.section, texts)}</span>
      {row.section === 'alerts' && onSeen !== undefined && (
        <span className="orc-section-action">
          <RowButton
            icon={checkIcon}
            label={texts.__('Mark failures as seen')}
            isReachable={context.entry === row.key}
            onClick={onSeen}
          />
        </span>
      )}
      <span className="orc-row-count">{row.count ?? ''}</span>
    </>
  );
}

/** What a section is called, without the words of the button in it. */
function sectionName(row: Row & { kind: 'section' }, texts: ITexts): string {
  return `${sectionTitle(row.section, texts)} ${row.count ?? ''}`.trim();
}

function sectionTitle(section: Section, texts: ITexts): string {
  switch (section) {
    case 'alerts':
      return texts.__('Alerts');
    case 'active':
      return texts.__('Active');
    case 'recent':
      return texts.__('Recent');
    case 'schedules':
      return texts.__('Schedules');
    case 'clusters':
      return texts.__('Clusters');
  }
}

function RunContent(props: {
  run: IRun;
  error: string;
  parts: IRowParts;
  context: IRowContext;
}): React.JSX.Element {
  const { run, error, parts, context } = props;
  const { texts } = context;
  const active = isLive(run.state);
  return (
    <>
      <StateIcon id={parts.state} state={run.state} texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span id={parts.name} className="orc-row-names" title={runTitle(run, context)}>
            <RowName name={run.flow_name} />
            <RowName name={run.name} isAlias />
          </span>
          <RunTime id={parts.time} run={run} context={context} />
          <span className="orc-row-actions">
            <RowButton
              icon={textEditorIcon}
              label={texts.__('Show the logs of %1', run.name)}
              isReachable={context.entry === run.run_id}
              onClick={() => context.onLogs(run)}
            />
            {active && (
              <RowButton
                icon={stopIcon}
                label={texts.__('Cancel run %1', run.name)}
                isReachable={context.entry === run.run_id}
                onClick={() => context.onCancel(run)}
              />
            )}
          </span>
        </span>
        {error !== '' && (
          <span
            id={parts.error}
            className="orc-row-error"
            title={isFailure(run.state) ? run.message : error}
          >
            {error}
          </span>
        )}
        {error === '' && run.message !== '' && (
          <span id={parts.message} className="orc-row-message" title={run.message}>
            {run.message}
          </span>
        )}
      </span>
    </>
  );
}

function RunTime(props: { id: string; run: IRun; context: IRowContext }): React.JSX.Element {
  const { id, run, context } = props;
  const { now, texts, locale } = context;
  const seconds = secondsRun(run, now);
  if (isLive(run.state)) {
    const counts = run.tasks !== null && run.tasks.total > 0 ? run.tasks : null;
    return (
      <span id={id} className="orc-row-time">
        {counts && (
          <span title={texts.__('%1 of %2 tasks have ended', counts.done, counts.total)}>
            {counts.done}/{counts.total}
          </span>
        )}
        {seconds !== null && <span>{formatElapsed(seconds)}</span>}
      </span>
    );
  }
  const at = shownAt(run);
  return (
    <span
      id={id}
      className="orc-row-time"
      title={at === null ? undefined : formatMoment(at, locale)}
    >
      {at !== null && <span>{formatAgo(at, now, texts, locale)}</span>}
    </span>
  );
}

function TaskContent(props: {
  task: ITaskView;
  live: boolean;
  context: IRowContext;
}): React.JSX.Element {
  const { task, live, context } = props;
  const { texts, now } = context;
  const error = isFailure(task.state) ? errorWords(task) : '';
  const message = live && isLive(task.state) ? task.message : '';
  return (
    <>
      <StateIcon state={task.state} texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span className="orc-row-names" title={texts.__('Show the logs of %1', task.name)}>
            <RowName name={task.name} />
          </span>
          <span className="orc-row-time">{timeWords(task, live, now, texts)}</span>
        </span>
        {error !== '' && (
          <span className="orc-row-error" title={error}>
            {error}
          </span>
        )}
        {message !== '' && (
          <span className="orc-row-message" title={message}>
            {message}
          </span>
        )}
      </span>
    </>
  );
}

function runTitle(run: IRun, context: IRowContext): string {
  const { texts, locale } = context;
  const seconds = run.ended_at === null ? null : secondsRun(run, 0);
  const lines = [
    texts.__('%1 · run %2', run.flow_name, run.name),
    stateLook(run.state).word(texts),
    run.started_at && texts.__('Started %1', formatMoment(run.started_at, locale)),
    seconds !== null && texts.__('Took %1', formatDuration(seconds)),
    run.notebook_path,
    run.cluster && texts.__('Cluster: %1', run.cluster)
  ];
  return lines.filter(Boolean).join('\n');
}
