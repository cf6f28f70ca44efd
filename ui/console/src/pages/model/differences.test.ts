import { expect, it } from 'vitest';
import { lineOf, parseRequirement, rowsOf, stretchOf } from './differences';

it('differences come first, then what is the same, each by key', () => {
  const rows = rowsOf([
    new Map([
      ['b', 1],
      ['a', 1],
      ['z', 5],
    ]),
    new Map([
      ['b', 1],
      ['a', 1],
      ['z', 6],
      ['c', 2],
    ]),
  ]);
  expect(rows.map(({ key, differs }) => [key, differs])).toEqual([
    ['c', true],
    ['z', true],
    ['a', false],
    ['b', false],
  ]);
  expect(rows[0]!.values).toEqual([undefined, 2]);
});

it.each([
  [2, [2, 4], { start: 0, length: 50, zero: 0 }],
  [-1, [-1, 3, undefined], { start: 0, length: 25, zero: 25 }],
  [3, [-1, 3, 'NaN'], { start: 25, length: 75, zero: 25 }],
  [-1, [-4, -1], { start: 75, length: 25, zero: 100 }],
  [0, [0, 0], { start: 0, length: 0, zero: 0 }],
])('%d among %j begins at zero and goes its way', (value, row, stretch) => {
  expect(stretchOf(value, lineOf(row))).toEqual(stretch);
});

it.each([
  [0.99993, [0.99991, 0.99993, 0.99995], 50],
  [-1234567, [-1234567, -1234566, 'NaN', undefined], 0],
])('%d among %j, which are nearly equal, is a place between the least and the greatest', (value, row, start) => {
  const line = lineOf(row);
  expect(line.cut).toBe(true);
  const stretch = stretchOf(value, line);
  expect(stretch).toMatchObject({ length: 0, zero: 0 });
  expect(stretch.start).toBeCloseTo(start, 3);
});

it.each([[[0.5, 0.5]], [[1, 2]], [[Number.NEGATIVE_INFINITY]], [['NaN']], [[0.9, 1]]])(
  '%j are drawn from zero',
  (row) => {
    expect(lineOf(row).cut).toBe(false);
  },
);

it.each([
  ['pandas==2.1', ['pandas', '==2.1']],
  ['Scikit-Learn', ['scikit-learn', 'any']],
  ['uvicorn[standard] >= 0.3', ['uvicorn[standard]', '>= 0.3']],
])('%s', (text, parts) => {
  expect(parseRequirement(text)).toEqual(parts);
});
