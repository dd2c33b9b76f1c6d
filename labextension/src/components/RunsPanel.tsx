/** The side bar's panel: alerts, runs with their tasks, schedules and clusters, live while it is in sight. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { DisposableSet } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import React, {
  useCallback,
  useEffect,
  useLayoutEffect,
  useReducer,
  useRef,
  useState
} from 'react';

import { CommandIDs } from '../commands';
import { clock } from '../drawing/clock';
import { isLive } from '../drawing/states';
import { orchestraIcon } from '../icon';
import { notifyFailure } from '../notify';
import { OverviewCommandIDs } from '../overview/commandIDs';
import type { IOverview } from '../overview/overview';
import { OPEN_RUN_PAGE } from '../pageCommands';
import type { IRun } from '../schemas';
import type { IRunsModel } from '../tokens';
import { ConnectionNote, ConnectionState } from './ConnectionState';
import { TreeRow } from './TreeRow';
import type { IRowContext } from './TreeRow';
import { alertItems, clusterItems, scheduleItems } from './overviewSections';
import { rowAt, visibleRows } from './rows';
import type { Row } from './rows';

/** Relative times are drawn anew so often, in seconds, while nothing runs. */
const CALM_SECONDS = 30;

/** How far from the left edge of a row its menu opens, in pixels. */
const MENU_INDENT = 24;

/** What the panel needs. */
export interface IRunsPanelOptions {
  readonly runs: IRunsModel;
  readonly overview: IOverview;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

/** The panel as a widget: it watches the runs while it is shown. */
export class RunsPanel extends ReactWidget {
  constructor(options: IRunsPanelOptions) {
    super();
    this._options = options;
    this.addClass('orc-panel');
    this.title.icon = orchestraIcon;
    this.title.caption = options.trans.__('Orchestra Runs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', options.trans.__('Orchestra Runs'));
  }

  override dispose(): void {
    this._stopWatching();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <RunsView {...this._options} isShown={this._watch !== null} />;
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this._startWatching();
    }
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._startWatching();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._stopWatching();
  }

  protected override onBeforeDetach(message: Message): void {
    this._stopWatching();
    super.onBeforeDetach(message);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.node.querySelector<HTMLElement>('.orc-row[tabindex="0"]')?.focus();
  }

  private _startWatching(): void {
    const { runs, overview } = this._options;
    this._watch ??= DisposableSet.from([
      runs.watch(),
      overview.alerts.watch(),
      overview.schedules.watch()
    ]);
    this.update();
  }

  private _stopWatching(): void {
    this._watch?.dispose();
    this._watch = null;
    this.update();
  }

  private readonly _options: IRunsPanelOptions;
  private _watch: IDisposable | null = null;
}

function RunsView(props: IRunsPanelOptions & { isShown: boolean }): React.JSX.Element {
  const { runs, overview, commands, trans, locale, isShown } = props;
  const { alerts, schedules, clusters, memory } = overview;
  useSignal(runs.changed);
  useSignal(runs.connectionChanged);
  useSignal(alerts.changed);
  useSignal(schedules.changed);
  useSignal(clusters.changed);
  useSignal(memory.changed);
  useTime(
    isShown,
    runs.runs.some(run => isLive(run.state))
  );
  const closed = memory.closedSections;
  // they are asked again and again for what they use: only while that is to be seen
  useWatch(overview.clusters, isShown && !closed.has('clusters'));
  const [open, toggleRow] = useToggles();
  const tree = useTree();
  const isKnown = runs.connection === 'connected' || alerts.value !== null;
  const rows = visibleRows(
    runs,
    closed,
    open,
    isKnown
      ? {
          alerts: alertItems(alerts),
          schedules: scheduleItems(schedules),
          clusters: clusterItems(clusters)
        }
      : null
  );
  const toggleSection = (section: string): void => {
    memory
      .toggleSection(section)
      .catch((error: unknown) =>
        notifyFailure(trans, trans.__('The sections could not be remembered.'), error)
      );
  };

  const loadTasks = async (run: IRun): Promise<void> => {
    if (!(await runs.load(run.run_id))) {
      const what = trans.__('The tasks of run %1 could not be read.', run.name);
      notifyFailure(trans, what, runs.loadError(run.run_id));
    }
  };

  const onToggle = (row: Row): void => {
    if (row.kind === 'section') {
      toggleSection(row.key);
    } else if (row.kind === 'run') {
      toggleRow(row.key);
      void loadTasks(row.run);
    } else if (row.isOpen !== null) {
      toggleRow(row.key);
    }
  };
  const onActivate = (row: Row): void => {
    if (row.kind === 'section') {
      toggleSection(row.key);
    } else if (row.kind === 'run') {
      void commands.execute(OPEN_RUN_PAGE, { runId: row.key });
    } else if (row.kind === 'item') {
      onActivateItem(row);
    } else {
      const taskRunId = row.key;
      void commands.execute(CommandIDs.openLogs, { runId: row.task.run_id, taskRunId });
    }
  };
  const onActivateItem = (row: Row & { kind: 'item' }): void => {
    const { content } = row;
    if (row.isOpen !== null) {
      toggleRow(row.key);
    } else if (content.kind === 'failed' || content.kind === 'late') {
      void commands.execute(CommandIDs.openRun, { runId: content.run.run_id });
    } else if (content.kind === 'schedule' && content.scheduled.lastRun !== null) {
      void commands.execute(CommandIDs.openRun, { runId: content.scheduled.lastRun.run_id });
    } else if (content.kind === 'letter') {
      void commands.execute(CommandIDs.openLogs, { runId: content.letter.runId });
    }
  };
  const context: IRowContext = {
    texts: trans,
    locale,
    now: clock.now(),
    entry: tree.entry(rows),
    onToggle,
    onActivate,
    onFocus: row => tree.setFocused(row.key),
    onLogs: run => void commands.execute(CommandIDs.openLogs, { runId: run.run_id }),
    execute: (command, args) => void commands.execute(command, args),
    onSeen:
      overview.failedCount > 0
        ? () => void commands.execute(OverviewCommandIDs.markSeen)
        : undefined,
    onCancel: run => void commands.execute(CommandIDs.cancelRun, { runId: run.run_id }),
    register: tree.register
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const node = event.target as HTMLElement;
    const row = rows.find(({ key }) => key === node.dataset.key);
    const asksForMenu = event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey);
    if (row !== undefined && asksForMenu) {
      openMenu(node);
      event.preventDefault();
      event.stopPropagation();
    } else if (row !== undefined && handleKey(event.key, row)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const handleKey = (key: string, row: Row): boolean => {
    const next = rowAt(rows, row.key, key);
    if (next !== null) {
      tree.focus(next.key);
    } else if (
      key === ' ' ||
      (key === 'ArrowRight' && row.isOpen === false) ||
      (key === 'ArrowLeft' && row.isOpen === true)
    ) {
      onToggle(row);
    } else if (key === 'Enter') {
      onActivate(row);
    } else {
      return false;
    }
    return true;
  };

  return (
    <>
      <div className="orc-panel-head">
        <h2>{trans.__('Orchestra')}</h2>
        <ConnectionState connection={runs.connection} texts={trans} />
      </div>
      <ConnectionNote runs={runs} texts={trans} />
      {(isKnown || runs.runs.length > 0) && (
        <div
          className="orc-tree"
          role="tree"
          aria-label={trans.__('Orchestra')}
          ref={tree.ref}
          onKeyDown={onKeyDown}
        >
          {rows.map(row => (
            <TreeRow key={row.key} row={row} context={context} />
          ))}
        </div>
      )}
    </>
  );
}

/** Open JupyterLab's menu at a row: what the browser itself sends with the Shift key held is left to the browser's. */
function openMenu(row: HTMLElement): void {
  const { left, bottom } = row.getBoundingClientRect();
  const place = { clientX: left + MENU_INDENT, clientY: bottom };
  row.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, ...place }));
}

/** Keep something up to date as long as it is wanted. */
function useWatch(watched: { watch(): IDisposable }, isWanted: boolean): void {
  useEffect(() => {
    if (!isWanted) {
      return undefined;
    }
    const watch = watched.watch();
    return () => watch.dispose();
  }, [watched, isWanted]);
}

/** Draw anew after each emission of a signal. */
function useSignal<T>(signal: ISignal<T, unknown>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    signal.connect(redraw);
    return () => {
      signal.disconnect(redraw);
    };
  }, [signal]);
}

/** Draw anew as time goes by: every second while something runs. */
function useTime(isShown: boolean, isBusy: boolean): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!isShown) {
      return undefined;
    }
    let seconds = 0;
    return clock.follow(() => {
      seconds += 1;
      if (isBusy || seconds % CALM_SECONDS === 0) {
        redraw();
      }
    });
  }, [isShown, isBusy]);
}

/** A set of keys, and the function that puts a key in or takes it out. */
function useToggles(): [ReadonlySet<string>, (key: string) => void] {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback(
    (key: string) =>
      setKeys(old => new Set(old.has(key) ? [...old].filter(k => k !== key) : [...old, key])),
    []
  );
  return [keys, toggle];
}

interface ITree {
  readonly ref: React.RefObject<HTMLDivElement>;
  readonly register: (key: string, node: HTMLElement | null) => void;
  readonly setFocused: (key: string) => void;
  readonly focus: (key: string) => void;
  readonly entry: (rows: readonly Row[]) => string | null;
}

/** The focus of the tree: one row takes part in Tab, and a row that moves or is drawn anew keeps the focus. */
function useTree(): ITree {
  const ref = useRef<HTMLDivElement>(null);
  const nodes = useRef(new Map<string, HTMLElement>());
  const [focused, setFocused] = useState<string | null>(null);
  const entry = useRef<{ key: string | null; at: number }>({ key: null, at: 0 });
  const hadFocus = ref.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    if (hadFocus && focused !== null && !ref.current?.contains(document.activeElement)) {
      nodes.current.get(entry.current.key ?? focused)?.focus();
    }
  });
  const register = useCallback((key: string, node: HTMLElement | null) => {
    if (node === null) {
      nodes.current.delete(key);
    } else {
      nodes.current.set(key, node);
    }
  }, []);
  return {
    ref,
    register,
    setFocused,
    focus: key => nodes.current.get(key)?.focus(),
    entry: rows => {
      // of a row that is gone, what has come into its place
      const at = rows.findIndex(row => row.key === focused);
      const place = Math.min(at < 0 && focused !== null ? entry.current.at : at, rows.length - 1);
      entry.current = { key: rows[Math.max(0, place)]?.key ?? null, at: Math.max(0, place) };
      return entry.current.key;
    }
  };
}
