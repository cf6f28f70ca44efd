import { expect, it } from 'vitest';
import { offered } from './versions';

const present = ['metric:auc', 'param:depth'];

it('offers what the page has', () => {
  expect(offered('metric:', present, '')).toEqual([{ value: 'metric:auc', label: 'auc' }]);
  expect(offered('param:', present, 'depth')).toEqual([{ value: 'param:depth', label: 'depth' }]);
});

it('offers what is typed too, since a version of another page may have it', () => {
  expect(offered('metric:', present, ' rare ').at(-1)).toEqual({
    value: 'metric:rare',
    label: 'rare (not on this page)',
  });
});
