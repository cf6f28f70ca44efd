import { expect, it } from 'vitest';
import { readVersionNumber } from './version-number';

it.each([
  ['7', true, true],
  ['2147483647', true, true],
  ['2147483648', true, false],
  ['99999999999', true, false],
  ['seven', false, false],
  ['1.5', false, false],
])('%s: a number %s, of a version perhaps %s', (text, isNumber, possible) => {
  expect(readVersionNumber(text)).toMatchObject({ isNumber, possible });
});
