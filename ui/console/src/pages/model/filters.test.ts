import { expect, it } from 'vitest';
import type { AddressState } from '@/parts/address';
import { filterOf, isFiltered, parseBound, parseLabel, pillsOf } from './filters';
import { orderOf } from './versions';

const address = (search: string): AddressState => {
  const params = new URLSearchParams(search);
  return { one: (key) => params.get(key), all: (key) => params.getAll(key), set: () => undefined };
};

it.each([
  ['accuracy > 0.9', { key: 'accuracy', above: 0.9 }],
  ['accuracy >= 0.9', { key: 'accuracy', atLeast: 0.9 }],
  ['accuracy≥0.9', { key: 'accuracy', atLeast: 0.9 }],
  ['loss < 2', { key: 'loss', below: 2 }],
  ['val loss<=1e-3', { key: 'val loss', atMost: 0.001 }],
  ['f1>-1', { key: 'f1', above: -1 }],
])('%s is a bound', (text, bound) => {
  expect(parseBound(text)).toEqual(bound);
});

it.each(['accuracy', '> 1', 'accuracy > much', 'accuracy = 1', 'a > 1.2.3'])('%s is none', (text) => {
  expect(parseBound(text)).toBeUndefined();
});

it('a label without a value means any value', () => {
  expect(parseLabel('stage')).toEqual({ key: 'stage', value: null });
  expect(parseLabel('stage=')).toEqual({ key: 'stage', value: '' });
});

it('the address is the filter', () => {
  const shown = address(
    '?name=run&label=stage%3Dlive&where=accuracy%3E0.9&where=nonsense&status=FAILED&status=WRONG&alias=champion',
  );
  expect(filterOf(shown)).toMatchObject({
    runNameContains: 'run',
    label: [{ key: 'stage', value: 'live' }],
    metric: [{ key: 'accuracy', above: 0.9 }],
    lifecycle: ['FAILED'],
    alias: 'champion',
    state: null,
  });
  expect(isFiltered(shown)).toBe(true);
  expect(isFiltered(address('?sort=-number&after=x&show=metric:accuracy'))).toBe(false);
});

it('what is not understood is marked and does not count', () => {
  const shown = address('?where=very.metric+5&status=NOPE&label=%3Dx&state=ajar&alias=a&alias=b');
  expect(pillsOf(shown).map(({ text, rule }) => [text, rule])).toEqual([
    ['a', undefined],
    ['b', 'Only one can be asked for.'],
    ['=x', 'Write key=value, or a key alone.'],
    ['very.metric 5', 'Write a metric, >, >=, < or <=, and a number: accuracy >= 0.9.'],
    ['NOPE', 'One of SERVING, RUNNING, PENDING, FAILED, TERMINATED.'],
    ['ajar', 'One of FINISHED, OPEN.'],
  ]);
  expect(filterOf(shown)).toMatchObject({ alias: 'a', label: null, metric: null, lifecycle: null, state: null });
  expect(isFiltered(address('?where=very.metric+5&status=NOPE'))).toBe(false);
});

it.each([
  ['number', true, { field: 'NUMBER', direction: 'DESC' }],
  ['metric:val:loss', false, { field: 'METRIC', key: 'val:loss', direction: 'ASC' }],
  ['param:depth', true, { field: 'PARAM', key: 'depth', direction: 'DESC' }],
  ['nonsense', false, { field: 'NUMBER', direction: 'ASC' }],
])('sorting by %s', (key, descending, order) => {
  expect(orderOf({ key, descending })).toEqual([order]);
});
