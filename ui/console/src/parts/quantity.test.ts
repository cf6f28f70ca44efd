import { expect, it } from 'vitest';
import { cpu, decimalsOf, figure, memory, moreDigitsFor, seconds } from './quantity';

it.each([
  [0.973214, '0.9732'],
  [1234567, '1,234,567'],
  [12345.678, '12,345.68'],
  [0, '0'],
  [-3, '-3'],
  [0.0000123, '1.230e-5'],
  [4.2e12 + 0.5, '4.200e+12'],
  [0.99991, '0.9999'],
  [0.99996, '0.99996'],
  [-2.00000001, '-2.00000001'],
  [1234567.81, '1,234,567.8'],
  [null, '–'],
  [Number.NaN, '–'],
])('%s reads %s', (value, text) => {
  expect(figure(value)).toBe(text);
});

it('says what is no number as it came', () => {
  expect(figure(null, 'NaN')).toBe('NaN');
});

it.each([
  [
    [0.99991, 0.99996],
    ['0.99991', '0.99996'],
  ],
  [
    [0.99991, 0.99993],
    ['0.99991', '0.99993'],
  ],
  [
    [1234567.81, 1234567.92],
    ['1,234,567.8', '1,234,567.9'],
  ],
  [
    [1234567.81, 1234567.84],
    ['1,234,567.81', '1,234,567.84'],
  ],
  [
    [0.00001234561, 0.00001234562],
    ['1.234561e-5', '1.234562e-5'],
  ],
  [
    [0.1 + 0.2, 0.3],
    ['0.30000000000000004', '0.3'],
  ],
  [
    [1e15 + 1, 1e15 + 2],
    ['1.000000000000001e+15', '1.000000000000002e+15'],
  ],
  [
    [0.5, 0.5, undefined],
    ['0.5', '0.5', '–'],
  ],
])('beside each other %j read unequal where they are', (values, texts) => {
  const more = moreDigitsFor(values);
  expect(values.map((each) => figure(each, '–', more))).toEqual(texts);
});

it.each([
  ['500m', '0.5 CPU'],
  ['2', '2 CPU'],
  [null, 'no limit'],
  ['x', 'x'],
])('CPU %s is %s', (amount, text) => {
  expect(cpu(amount)).toBe(text);
});

it.each([
  ['512Mi', '512 MiB'],
  ['1G', '1 GB'],
  [null, 'no limit'],
  ['123', '123'],
])('memory %s is %s', (amount, text) => {
  expect(memory(amount)).toBe(text);
});

it.each([
  [60, '60 s'],
  [600, '10 min'],
  [125, '2 min 5 s'],
])('%d seconds are %s', (amount, text) => {
  expect(seconds(amount)).toBe(text);
});

it.each([
  ['-0.25', 2],
  ['1,234.5', 1],
  ['12', 0],
  ['1.230e-5', undefined],
  ['NaN', undefined],
])('%s has %s decimals', (shown, count) => {
  expect(decimalsOf(shown)).toBe(count);
});
