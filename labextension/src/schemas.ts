/**
 * The records of runs as the server sends them and as notebooks store them, and how they are read.
 *
 * A stored notebook may come from anywhere: the readers take any JSON and give either a record that is safe to draw or
 * nothing. Times are ISO 8601 texts, durations are seconds, ids are 32 hexadecimal digits.
 */

/** An error of user code. */
export interface IErrorInfo {
  /** The exception's class, such as "ValueError". */
  readonly type: string;
  readonly message: string;
  /** Where it happened, in people's words: a task's name, or "cell 4". */
  readonly cell: string | null;
  /** Line in that cell, from 1. */
  readonly line: number | null;
  /** The user's own line of code at fault. */
  readonly source_line: string | null;
  /** The whole trace as plain text. */
  readonly traceback: string | null;
}

/** What runs and tasks have in common. */
export interface IRecord {
  readonly state: string;
  readonly epoch: number;
  readonly message: string;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

/** One run of a task. */
export interface ITaskView extends IRecord {
  readonly task_run_id: string;
  readonly run_id: string;
  readonly name: string;
  /** Attempts begun, 0 before the first. */
  readonly attempt: number;
  readonly max_attempts: number;
  readonly worker: string | null;
  /** Median of the last successes; null before the first. */
  readonly expected_seconds: number | null;
  readonly error: IErrorInfo | null;
  /** Ids of the task runs that it waits for. */
  readonly upstream: readonly string[];
  /** The notebook cell that it is; null for any other task. */
  readonly cell_id: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** The name of the task, where that of its run does not begin with it. */
  readonly task_name?: string | null;
  /** The first of those that it is drawn with, where whoever wrote the record has grouped them. */
  readonly group?: string | null;
}

/** How many task runs a run has: all, those that have ended, those that ended badly. */
export interface ITaskCounts {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
}

/** One run of a flow. */
export interface IRun extends IRecord {
  readonly run_id: string;
  /** Short and memorable, such as "calm-fox". */
  readonly name: string;
  readonly flow_name: string;
  readonly kind: string;
  readonly notebook_path: string | null;
  readonly output_path: string | null;
  readonly cluster: string | null;
  /** Null when whoever sent the record did not count. */
  readonly tasks: ITaskCounts | null;
  /** The deployment that it is of; null for none. */
  readonly deployment: string | null;
  /** The process that drives it; null before one does, and while it is suspended. */
  readonly driver_id: string | null;
  /** As recorded: secrets are hidden, or the names of stored ones. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** One code cell of a notebook run. */
export interface ICell extends IRecord {
  readonly run_id: string;
  /** Its place among the code cells of the executed notebook, from 0. */
  readonly index: number;
  readonly cell_id: string;
  readonly title: string;
  /** As people count in their own file, from 1; 0 for the cell with the parameters that were given. */
  readonly number: number;
  readonly error: IErrorInfo | null;
  readonly attempt: number;
  readonly max_attempts: number;
}

/** One line that user code or the engine logged or printed. */
export interface ILogLine {
  readonly sequence: number;
  readonly at: string | null;
  readonly message: string;
  /** Python's level: 20 is INFO. */
  readonly level: number;
  readonly logger: string;
  readonly task_run_id: string | null;
}

/** What is shown under one task cell. */
export interface ITaskOutput {
  readonly view: 'task';
  readonly task: ITaskView;
  /** What the cluster is doing, such as "starting the local cluster"; empty when there is nothing to say. */
  readonly cluster: string;
  /** Whether more may follow. */
  readonly live: boolean;
}

/** What is shown for a whole flow. */
export interface IFlowOutput {
  readonly view: 'flow';
  readonly run: IRun | null;
  readonly tasks: readonly ITaskView[];
  /** Pairs of task run ids: from, to. */
  readonly edges: readonly (readonly [string, string])[];
  /** How many tasks are counted only. */
  readonly omitted: OmittedTasks;
  readonly live: boolean;
}

/**
 * The tasks of a run that were not written out: by the id of the first task of their group the number in each state.
 * The empty id stands for those of no group that was written.
 */
export type OmittedTasks = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Nothing was left out. */
export const NO_OMITTED: OmittedTasks = new Map();

/** The content of `application/vnd.orchestra.run.v1+json`. */
export type RunOutput = ITaskOutput | IFlowOutput;

/** One message of the server's stream. */
export interface IStreamMessage {
  readonly sequence: number;
  readonly hello: boolean;
  /** The server no longer has what came after the asked sequence: everything must be read anew. */
  readonly reset: boolean;
  readonly runs: readonly IRun[];
  readonly tasks: readonly ITaskView[];
  readonly cells: readonly ICell[];
  /** Ids of the runs that have new log lines. */
  readonly logs: readonly string[];
  /** Ids of the runs that ask people for something new, or were answered. */
  readonly inputs: readonly string[];
  /** Lists that have no sequence numbers and are to be read anew: "deployments", "alerts", "pools". */
  readonly lists: readonly string[];
}

/** MIME type of a task's or a flow's state. */
export const RUN_MIME_TYPE = 'application/vnd.orchestra.run.v1+json';

/** MIME type of all that one task cell showed. */
export const OUTPUTS_MIME_TYPE = 'application/vnd.orchestra.outputs.v1+json';

type Fields = Readonly<Record<string, unknown>>;

/** Tell whether a text can be an id, and so a part of a URL. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** Read the content of {@link RUN_MIME_TYPE}; null when it is none, or of a version that this code does not know. */
export function readRunOutput(data: unknown): RunOutput | null {
  const fields = readFields(data);
  if (fields === null || fields.version !== 1) {
    return null;
  }
  const live = fields.live === true;
  if (fields.view === 'task') {
    const task = readTask(fields.task);
    return task && { view: 'task', task, cluster: readText(fields.cluster), live };
  }
  if (fields.view === 'flow') {
    const edges = readList(fields.edges, readEdge);
    return {
      view: 'flow',
      run: readRun(fields.run),
      tasks: readList(fields.tasks, readTask),
      edges,
      omitted: readOmitted(fields.omitted),
      live
    };
  }
  return null;
}

/** Read a task run; null when it is none. */
export function readTask(data: unknown): ITaskView | null {
  const fields = readFields(data);
  if (fields === null || typeof fields.task_run_id !== 'string') {
    return null;
  }
  return {
    ...readRecord(fields),
    task_run_id: fields.task_run_id,
    run_id: readText(fields.run_id),
    name: readText(fields.name),
    attempt: readNumber(fields.attempt) ?? 0,
    max_attempts: readNumber(fields.max_attempts) ?? 1,
    worker: readTextOrNull(fields.worker),
    expected_seconds: readNumber(fields.expected_seconds),
    error: readError(fields.error),
    upstream: readList(fields.upstream, readTextOrNull),
    cell_id: readTextOrNull(fields.cell_id),
    tags: readTexts(fields.tags),
    ...(typeof fields.task_name === 'string' && { task_name: fields.task_name }),
    ...(typeof fields.group === 'string' && { group: fields.group })
  };
}

/** Read a run; null when it is none. */
export function readRun(data: unknown): IRun | null {
  const fields = readFields(data);
  if (fields === null || typeof fields.run_id !== 'string') {
    return null;
  }
  return {
    ...readRecord(fields),
    run_id: fields.run_id,
    name: readText(fields.name),
    flow_name: readText(fields.flow_name),
    kind: readText(fields.kind),
    notebook_path: readTextOrNull(fields.notebook_path),
    output_path: readTextOrNull(fields.output_path),
    cluster: readTextOrNull(fields.cluster),
    tasks: readCounts(fields.tasks),
    deployment: readTextOrNull(fields.deployment),
    driver_id: readTextOrNull(fields.driver_id),
    parameters: readFields(fields.parameters) ?? {},
    tags: readTexts(fields.tags)
  };
}

/** Read a cell; null when it is none. */
export function readCell(data: unknown): ICell | null {
  const fields = readFields(data);
  const index = readNumber(fields?.index);
  if (fields === null || index === null || typeof fields.run_id !== 'string') {
    return null;
  }
  const record = readRecord(fields);
  return {
    ...record,
    state: fields.is_cached === true && record.state === 'COMPLETED' ? 'CACHED' : record.state,
    run_id: fields.run_id,
    index,
    cell_id: readText(fields.cell_id),
    title: readText(fields.title),
    number: readNumber(fields.number) ?? index + 1,
    error: readError(fields.error),
    attempt: readNumber(fields.attempt) ?? 1,
    max_attempts: readNumber(fields.max_attempts) ?? 1
  };
}

/** Read a log line; null when it is none. */
export function readLogLine(data: unknown): ILogLine | null {
  const fields = readFields(data);
  const sequence = readNumber(fields?.sequence);
  if (fields === null || sequence === null) {
    return null;
  }
  return {
    sequence,
    at: readTextOrNull(fields.at),
    message: readText(fields.message),
    level: readNumber(fields.level) ?? 20,
    logger: readText(fields.logger),
    task_run_id: readTextOrNull(fields.task_run_id)
  };
}

/** Read a message of the stream; null when it is none. */
export function readStreamMessage(data: unknown): IStreamMessage | null {
  const fields = readFields(data);
  const sequence = readNumber(fields?.sequence);
  if (fields === null || sequence === null) {
    return null;
  }
  return {
    sequence,
    hello: fields.hello === true,
    reset: fields.reset === true,
    runs: readList(fields.runs, readRun),
    tasks: readList(fields.tasks, readTask),
    cells: readList(fields.cells, readCell),
    logs: readList(fields.logs, readTextOrNull),
    inputs: readList(fields.inputs, readTextOrNull),
    lists: readList(fields.lists, readTextOrNull)
  };
}

/** Read a list, leaving out the items that `read` refuses; empty when it is none. */
export function readList<T>(data: unknown, read: (item: unknown) => T | null): T[] {
  const items: unknown[] = Array.isArray(data) ? data : [];
  return items.map(read).filter((item): item is T & NonNullable<unknown> => item !== null);
}

/** Read an object; null when it is none. */
export function readFields(data: unknown): Fields | null {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
    ? (data as Fields)
    : null;
}

/** Read a finite number; null when it is none. */
export function readNumber(data: unknown): number | null {
  return typeof data === 'number' && Number.isFinite(data) ? data : null;
}

/** Read a text; null when it is none. */
export function readTextOrNull(data: unknown): string | null {
  return typeof data === 'string' ? data : null;
}

/** Read a text; empty when it is none. */
export function readText(data: unknown): string {
  return typeof data === 'string' ? data : '';
}

function readOmitted(data: unknown): OmittedTasks {
  const omitted = new Map<string, ReadonlyMap<string, number>>();
  for (const [id, counts] of Object.entries(readFields(data) ?? {})) {
    const known = Object.entries(readFields(counts) ?? {}).flatMap(([state, count]) => {
      const number = readNumber(count) ?? 0;
      return number > 0 ? [[state, number] as const] : [];
    });
    if (known.length > 0) {
      omitted.set(id, new Map(known));
    }
  }
  return omitted;
}

function readStateOf(fields: Fields): string {
  const state = readText(fields.state);
  return fields.is_cached === true && state === 'COMPLETED' ? 'CACHED' : state;
}

function readTexts(data: unknown): Record<string, string> {
  const entries = Object.entries(readFields(data) ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]));
}

/** Read an ISO 8601 time; null when it is none. */
export function readTime(data: unknown): string | null {
  return typeof data === 'string' && Number.isFinite(Date.parse(data)) ? data : null;
}

/** Read what all records have. */
export function readRecord(fields: Fields): IRecord {
  return {
    state: readStateOf(fields),
    epoch: readNumber(fields.epoch) ?? 1,
    message: readText(fields.message),
    created_at: readTime(fields.created_at),
    started_at: readTime(fields.started_at),
    ended_at: readTime(fields.ended_at)
  };
}

/** Read an error; null when it is none. */
export function readError(data: unknown): IErrorInfo | null {
  const fields = readFields(data);
  if (fields === null) {
    return null;
  }
  return {
    type: readText(fields.type),
    message: readText(fields.message),
    cell: readTextOrNull(fields.cell),
    line: readNumber(fields.line),
    source_line: readTextOrNull(fields.source_line),
    traceback: readTextOrNull(fields.traceback)
  };
}

function readCounts(data: unknown): ITaskCounts | null {
  const fields = readFields(data);
  const [total, done, failed] = ['total', 'done', 'failed'].map(key => readNumber(fields?.[key]));
  return total === null || done === null || failed === null ? null : { total, done, failed };
}

function readEdge(data: unknown): readonly [string, string] | null {
  if (!Array.isArray(data) || typeof data[0] !== 'string' || typeof data[1] !== 'string') {
    return null;
  }
  return [data[0], data[1]];
}
