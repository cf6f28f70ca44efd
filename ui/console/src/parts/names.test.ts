import { expect, it } from 'vitest';
import { nameProblem } from './names';

it.each([
  ['fraud', undefined],
  ['fraud-2', undefined],
  ['2fraud', undefined],
  ['Fraud', 'Only a to z'],
  ['fraud_1', 'Only a to z'],
  ['-fraud', 'begins'],
  ['fraud-', 'ends'],
  ['a'.repeat(33), 'At most 32'],
])('%s', (name, problem) => {
  const found = nameProblem(name, 32);
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(problem);
});

it('a model begins with a letter', () => {
  expect(nameProblem('2fraud', 25, { letterFirst: true })).toContain('letter');
});
