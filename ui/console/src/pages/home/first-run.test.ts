import { expect, it } from 'vitest';
import { nameProblem } from '@/parts/names';
import { ownName } from './first-run';

it('names a project after whoever makes it', () => {
  expect(ownName('rita')).toBe('wine-rita');
  expect(ownName('Rita.Ray@example.com')).toBe('wine-rita-ray');
  for (const subject of ['Ana María', '...', 'a'.repeat(80), 'x'.repeat(26) + '-y']) {
    expect(nameProblem(ownName(subject), 32)).toBeUndefined();
  }
});
