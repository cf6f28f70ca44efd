import { expect, it } from 'vitest';
import { valueProblem, valueSize } from './secret-value';

it.each([
  ['', 'Typed or pasted, line breaks and all.'],
  ['x', '1 character.'],
  ['one\ntwo', '7 characters, 2 lines.'],
  ['one\n', '4 characters, 2 lines, ends with a line break, which is kept.'],
  [' one ', '5 characters, begins with a blank and ends with a blank, which is kept.'],
  [' one', '4 characters, begins with a blank, which is kept.'],
])('%j is described without being shown', (value, size) => {
  expect(valueSize(value)).toBe(size);
});

it('bytes count, not characters', () => {
  expect(valueProblem('a'.repeat(65_536))).toBeUndefined();
  expect(valueProblem('ä'.repeat(32_769))).toBe('At most 65,536 bytes; this has 65,538.');
  expect(valueProblem('a\0')).toContain('NUL');
});
