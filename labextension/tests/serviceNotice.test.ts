import { englishTexts } from '../src/drawing/translation';
import { serviceNotice } from '../src/schedule/serviceNotice';
import type { INotice } from '../src/schedule/serviceNotice';
import type { IPool, IServiceHealth } from '../src/schedule/records';

const SERVED: readonly IPool[] = [
  { name: 'default', workers: 1 },
  { name: 'gpu (big)', workers: 0 }
];

function notice(health: IServiceHealth | null, pool = 'default', pools = SERVED): INotice {
  return serviceNotice(health, pools, pool, englishTexts);
}

test('where nothing is up it is said how to install the service', () => {
  const said = notice({ ownService: 'off', up: 0 });

  expect(said.isMissing).toBe(true);
  expect(said.text).toMatch(/^Nothing is running that would start this\./);
  expect(said.command).toBe('orchestra service install --start');
});

test.each(['up', 'starting', 'no store yet'])('a server whose service is %s must be on', state => {
  const pools = [{ name: 'default', workers: 0 }];
  const said = notice({ ownService: state, up: state === 'up' ? 1 : 0 }, 'default', pools);

  expect(said.isMissing).toBe(false);
  expect(said.text).toContain('it must be on when they are due');
});

test('a service beside that of the server needs no word of what to do', () => {
  expect(notice({ ownService: 'up', up: 2 }).command).toBe('');
  expect(notice({ ownService: 'off', up: 1 }).command).toBe('');
});

test('a pool that nobody serves is told with the command that serves it', () => {
  const said = notice({ ownService: 'off', up: 1 }, 'gpu (big)');

  expect(said.isMissing).toBe(true);
  expect(said.text).toContain('Nobody serves the pool gpu (big) now');
  expect(said.command).toBe("orchestra worker --pool 'gpu (big)'");
});

test('what is not known is not said to be missing', () => {
  expect(notice(null).isMissing).toBe(false);
});
