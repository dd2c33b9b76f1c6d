import { laterCell, readNotebookCells, recordOfCell, recordOfTask } from '../src/cells/cellRecords';
import type { ICellRecord } from '../src/cells/cellRecords';
import { cellWords } from '../src/cells/cellWords';
import { englishTexts } from '../src/drawing/translation';
import { ERROR, NOW, ago, cellRecord, cellView, id, run, task } from './records';

describe('the server\u2019s answer', () => {
  test('is read', () => {
    const { cell_id: cellId, ...rest } = cellRecord();
    const data = {
      paths: ['/a.ipynb', 7],
      cells: [{ cell_id: cellId, ...rest }, null, { cell_id: 'x' }]
    };

    expect(readNotebookCells(data)).toEqual({ paths: ['/a.ipynb'], cells: [cellRecord()] });
  });

  test('of a replayed cell says that it is cached', () => {
    const data = { paths: [], cells: [{ ...cellRecord({ state: 'COMPLETED' }), is_cached: true }] };

    expect(readNotebookCells(data)?.cells[0].state).toBe('CACHED');
  });

  test.each([null, [], {}, { cells: [] }])('%j is none', data => {
    expect(readNotebookCells(data)).toBeNull();
  });
});

describe('the later of two records', () => {
  const old = cellRecord({ created_at: ago(60), expected_seconds: 30, stale: 'changed' });

  test.each<[string, ICellRecord, ICellRecord, boolean]>([
    [
      'of another run is that which began later',
      old,
      cellRecord({ run_id: id(200), created_at: ago(5) }),
      true
    ],
    [
      'of an earlier run is not taken',
      old,
      cellRecord({ run_id: id(200), created_at: ago(90) }),
      false
    ],
    [
      'of one task is the ended one',
      old,
      cellRecord({ created_at: ago(60), state: 'RUNNING' }),
      false
    ],
    [
      'in one run is the task, and not the cell that sends it',
      cellRecord({ task_run_id: null, state: 'COMPLETED', created_at: ago(1) }),
      cellRecord({ task_run_id: id(9), state: 'RUNNING', created_at: ago(2) }),
      true
    ],
    [
      'in one run is the task, whichever comes first',
      cellRecord({ task_run_id: id(9), state: 'RUNNING', created_at: ago(2) }),
      cellRecord({ task_run_id: null, state: 'COMPLETED', created_at: ago(1) }),
      false
    ]
  ])('%s', (_, known, other, isOther) => {
    const later = laterCell(known, other);

    expect([later.run_id, later.task_run_id, later.state]).toEqual(
      isOther
        ? [other.run_id, other.task_run_id, other.state]
        : [known.run_id, known.task_run_id, known.state]
    );
  });

  test('keeps how long the cell usually runs, and not what was stale before', () => {
    const later = laterCell(
      old,
      cellRecord({ run_id: id(200), created_at: ago(5), state: 'RUNNING' })
    );

    expect([later.expected_seconds, later.stale]).toEqual([30, '']);
  });
});

test('a task that is no cell is no record', () => {
  expect(recordOfTask(task(), run())).toBeNull();
});

test('a cell that waits for its turn began with its run', () => {
  const record = recordOfCell(cellView({ state: 'PENDING', started_at: null }), run());

  expect([record.created_at, record.task_run_id, record.name]).toEqual([
    run().created_at,
    null,
    'x = 1'
  ]);
});

describe('the words of a badge', () => {
  const words = (changes: Partial<ICellRecord>): string[] => {
    const { word, time, error, stale } = cellWords(cellRecord(changes), NOW, englishTexts);
    return [word, time, error, stale].filter(text => text !== '');
  };

  test.each<[string, Partial<ICellRecord>, string[]]>([
    [
      'waits',
      { state: 'PENDING', started_at: null, ended_at: null, created_at: ago(1) },
      ['Pending']
    ],
    [
      'runs',
      { state: 'RUNNING', started_at: ago(12), ended_at: null, expected_seconds: 30 },
      ['Running', '12 s of ~30 s']
    ],
    [
      'runs for the first time',
      { state: 'RUNNING', started_at: ago(12), ended_at: null },
      ['Running', '12 s']
    ],
    ['has ended', { started_at: ago(42), ended_at: ago(0) }, ['Completed', '42 s']],
    [
      'has ended sooner than usual',
      { started_at: ago(12), ended_at: ago(0), expected_seconds: 30 },
      ['Completed', '12 s, usually ~30 s']
    ],
    [
      'has ended as usual',
      { started_at: ago(30), ended_at: ago(0), expected_seconds: 30.4 },
      ['Completed', '30 s']
    ],
    [
      'is short',
      { started_at: ago(0.4), ended_at: ago(0), expected_seconds: 0.3 },
      ['Completed', '0.4 s']
    ],
    ['was replayed', { state: 'CACHED', expected_seconds: 30 }, ['Cached', 'instead of ~30 s']],
    ['was replayed at once', { state: 'CACHED', expected_seconds: 0.1 }, ['Cached']],
    [
      'has failed',
      { state: 'FAILED', started_at: ago(12), ended_at: ago(0), error: ERROR },
      ['Failed', '12 s', "ValueError: could not convert 'n/a' to float"]
    ],
    ['was skipped', { state: 'SKIPPED', started_at: null, ended_at: null }, ['Skipped']],
    [
      'no longer holds',
      { started_at: ago(42), ended_at: ago(0), stale: 'upstream changed (cell 2): x' },
      ['Completed', '42 s', 'Stale: upstream changed (cell 2): x']
    ]
  ])('of one that %s', (_, changes, said) => {
    expect(words(changes)).toEqual(said);
  });

  test('tell which run it was', () => {
    const ofTask = cellWords(cellRecord({ task_run_id: id(9) }), NOW, englishTexts, 'en').title;
    const ofCell = cellWords(cellRecord({ task_run_id: null }), NOW, englishTexts, 'en').title;

    expect(ofTask).toMatch(/^Task load of run calm-fox, .+: show its logs$/);
    expect(ofCell).toMatch(/^Run calm-fox, .+: show its logs$/);
  });
});
