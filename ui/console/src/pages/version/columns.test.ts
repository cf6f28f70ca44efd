import { expect, it } from 'vitest';
import { columnsOf } from './columns';

it('reads columns, tensors and params as MLflow writes them', () => {
  expect(columnsOf([{ name: 'age', type: 'double', required: false }])).toEqual([
    { name: 'age', type: 'double', required: false },
  ]);
  expect(columnsOf('[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 3]}}]')).toEqual([
    { name: '(all)', type: 'int64 [any, 3]', required: true },
  ]);
  expect(columnsOf([{ name: 'k', dtype: 'long', default: 3 }])[0]).toMatchObject({ type: 'long = 3', required: false });
  expect(columnsOf(null)).toEqual([]);
  expect(columnsOf('no JSON')).toEqual([]);
});
