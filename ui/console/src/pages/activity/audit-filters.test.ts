import { expect, it } from 'vitest';
import { momentOf } from './audit-filters';

it('takes days from the address as they are here, and nothing else', () => {
  expect(momentOf('2026-11-25')).toBe(new Date(2026, 10, 25).toISOString());
  expect(momentOf('2026-11-30', 1)).toBe(new Date(2026, 11, 1).toISOString());
  for (const wrong of [null, '', 'yesterday', '2026-11', '0001-01-01']) expect(momentOf(wrong)).toBeNull();
});
