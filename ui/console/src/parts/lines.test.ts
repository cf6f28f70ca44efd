import { expect, it } from 'vitest';
import { merge } from './lines';

const line = (number: number) => ({ cursor: `ab12.${number}` });

it('is newest first by number, not by text', () => {
  expect(merge([line(9), line(100)], [line(10)]).map((each) => each.cursor)).toEqual(['ab12.100', 'ab12.10', 'ab12.9']);
});

it('has a line once, whoever brings it', () => {
  expect(merge([line(1), line(2)], [line(2), line(3)])).toHaveLength(3);
});
