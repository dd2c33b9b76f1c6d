import { isTold } from '../src/drawing/toldFailures';
import table from './toldFailures.json';

test.each(table)('of $case', ({ message, type, error, told }) => {
  expect(isTold(message, { type, message: error })).toBe(told);
});
