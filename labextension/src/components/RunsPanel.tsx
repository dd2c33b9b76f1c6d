/** The side bar's panel: active and recent runs with their tasks, live while it is in sight. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
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
import type { IRunsModel } from '../tokens';
import { ConnectionNote, ConnectionState } from './ConnectionState';
import { TreeRow } from './TreeRow';
import type { IRowContext } from './TreeRow';
import { rowAt, visibleRows } from './rows';
import type { Row } from './rows';

/** Relative times are drawn anew so often, in seconds, while nothing runs. */
const CALM_SECONDS = 30;

// Code is the same in all languages.
const FIRST_CELL_LINE = '%%task clean';
const FIRST_COMMAND = 'orchestra run report.ipynb';

/** What the panel needs. */
export interface IRunsPanelOptions {
  readonly runs: IRunsModel;
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
    this._watch ??= this._options.runs.watch();
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
  const { runs, commands, trans, locale, isShown } = props;
  useSignal(runs.changed);
  useSignal(runs.connectionChanged);
  useTime(
    isShown,
    runs.runs.some(run => isLive(run.state))
  );
  const [closed, toggleSection] = useToggles();
  const [open, toggleRun] = useToggles();
  const tree = useTree();
  const rows = visibleRows(runs, closed, open);

  const onToggle = (row: Row): void => {
    if (row.kind === 'section') {
      toggleSection(row.key);
    } else if (row.kind === 'run') {
      toggleRun(row.key);
      void runs.load(row.key);
    }
  };
  const onActivate = (row: Row): void => {
    if (row.kind === 'section') {
      toggleSection(row.key);
    } else if (row.kind === 'run') {
      void commands.execute(CommandIDs.openRun, { runId: row.key });
    } else {
      const taskRunId = row.key;
      void commands.execute(CommandIDs.openLogs, { runId: row.task.run_id, taskRunId });
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
    onCancel: run => void commands.execute(CommandIDs.cancelRun, { runId: run.run_id }),
    register: tree.register
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const row = rows.find(({ key }) => key === (event.target as HTMLElement).dataset.key);
    if (row !== undefined && handleKey(event.key, row)) {
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
      <header className="orc-panel-head">
        <h2>{trans.__('Orchestra')}</h2>
        <ConnectionState connection={runs.connection} texts={trans} />
      </header>
      <ConnectionNote runs={runs} texts={trans} />
      {runs.runs.length > 0 && (
        <div
          className="orc-tree"
          role="tree"
          aria-label={trans.__('Runs')}
          ref={tree.ref}
          onKeyDown={onKeyDown}
        >
          {rows.map(row => (
            <TreeRow key={row.key} row={row} context={context} />
          ))}
        </div>
      )}
      {runs.runs.length === 0 && runs.connection === 'connected' && <Empty trans={trans} />}
    </>
  );
}

/** Teaches the first step. */
function Empty(props: { trans: TranslationBundle }): React.JSX.Element {
  const { trans } = props;
  return (
    <div className="orc-empty">
      <p>{trans.__('No runs yet.')}</p>
      <p>{trans.__('Put this on the first line of a cell, and run the cell:')}</p>
      <pre>{FIRST_CELL_LINE}</pre>
      <p>{trans.__('Or run a whole notebook from a terminal:')}</p>
      <pre>{FIRST_COMMAND}</pre>
    </div>
  );
}

/** Draw anew after each emission of a signal. */
function useSignal(signal: ISignal<IRunsModel, unknown>): void {
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
  const hadFocus = ref.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    if (hadFocus && focused !== null && !ref.current?.contains(document.activeElement)) {
      nodes.current.get(focused)?.focus();
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
    entry: rows => (rows.find(row => row.key === focused) ?? rows[0])?.key ?? null
  };
}
