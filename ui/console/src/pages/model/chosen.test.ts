import { expect, it } from 'vitest';
import { numbersOf, toggled } from './chosen';

it('an address has up to five numbers', () => {
  expect(numbersOf(['3', '1', '3', 'x', '0', '-1', '1.5', '99999999999'])).toEqual([3, 1]);
  expect(numbersOf(['1', '2', '3', '4', '5', '6'])).toEqual([1, 2, 3, 4, 5]);
});

it('a sixth takes no place of another', () => {
  expect(toggled([1, 2], 3)).toEqual([1, 2, 3]);
  expect(toggled([1, 2], 1)).toEqual([2]);
  expect(toggled([1, 2, 3, 4, 5], 6)).toEqual([1, 2, 3, 4, 5]);
});
