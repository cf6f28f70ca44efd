import { describe, expect, it } from 'vitest';
import { fieldsOf, firstRow, parse, read, rowsOf, shown, withValue } from './request';
import { lines, snippets } from './snippets';

const request = {
  inputs: [
    { name: 'age', shape: [1], datatype: 'FP64', data: [1.5] },
    { name: 'city', shape: [1], datatype: 'BYTES', data: ['Bern'] },
    { name: 'pair', shape: [1, 2], datatype: 'INT64', data: [1, 2] },
  ],
};

describe('a request', () => {
  it('has a field for each value', () => {
    expect(fieldsOf(request).map(({ label }) => label)).toEqual(['age', 'city', 'pair [0]', 'pair [1]']);
  });

  it('takes what means a number as a number, however it is written', () => {
    const [age] = fieldsOf(request);
    const typed = ['1.0', '5.10', '1e3', '.5', '-3', '+2', ' 7 ', '1.'];
    expect(typed.map((each) => read(age!, each))).toEqual([1, 5.1, 1000, 0.5, -3, 2, 7, 1].map((value) => ({ value })));
    for (const each of ['', '-', 'abc', '1,5', '0x1', '1e999', 'Infinity'])
      expect(read(age!, each)).toEqual({ wrong: 'A number, please.' });
  });

  it('takes whole numbers, truths and texts as what they are', () => {
    const [, city, pair] = fieldsOf(request);
    expect(read(city!, '7')).toEqual({ value: '7' });
    expect(read(pair!, '2.0')).toEqual({ value: 2 });
    expect(read(pair!, '2.5')).toHaveProperty('wrong');
    expect(read(pair!, '90071992547409931')).toHaveProperty('wrong');
    expect(read({ ...pair!, datatype: 'UINT8' }, '-1')).toHaveProperty('wrong');
    expect(read({ ...city!, datatype: 'BOOL' }, 'true')).toEqual({ value: true });
    expect(read({ ...city!, datatype: 'BOOL' }, 'yes')).toHaveProperty('wrong');
  });

  it('lets missing what the example misses', () => {
    const [age] = fieldsOf({ inputs: [{ name: 'age', shape: [1], datatype: 'FP64', data: [null] }] });
    expect(shown(age!.value)).toBe('');
    expect(read(age!, '')).toEqual({ value: null });
  });

  it('changes one value', () => {
    const [, city] = fieldsOf(request);
    expect((JSON.parse(withValue(request, city!, 'Chur')) as typeof request).inputs[1]?.data).toEqual(['Chur']);
    expect(request.inputs[1]?.data).toEqual(['Bern']);
  });

  it('of several rows gives the first, of columns and of tensors', () => {
    const columns = Array.from({ length: 13 }, (_, at) => ({
      name: `c${at}`,
      shape: [2],
      datatype: 'FP64',
      data: [at, -1],
    }));
    const one = firstRow({ inputs: columns });
    expect(rowsOf({ inputs: columns })).toBe(2);
    expect(fieldsOf(one).map(({ value }) => value)).toEqual(columns.map((_, at) => at));
    expect((one as typeof request).inputs[12]).toEqual({ name: 'c12', shape: [1], datatype: 'FP64', data: [12] });
    const tensor = { inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 4, 5, 6] }] };
    expect(firstRow(tensor)).toEqual({ inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }] });
  });

  it('stays as it is where its inputs do not agree about rows', () => {
    const uneven = { inputs: [{ ...request.inputs[0]!, shape: [2], data: [1, 2] }, request.inputs[1]!] };
    expect(firstRow(uneven)).toBe(uneven);
    const short = { inputs: [{ name: 'x', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3] }] };
    expect(firstRow(short)).toBe(short);
  });

  it('has no fields where there are too many values, or where it is none', () => {
    const data = Array.from({ length: 100 }, () => 0);
    expect(fieldsOf({ inputs: [{ name: 'x', shape: [100], datatype: 'FP32', data }] })).toEqual([]);
    expect(fieldsOf({ rows: [] })).toEqual([]);
    expect(parse('[1]')).toHaveProperty('wrong');
    expect(parse('{')).toHaveProperty('wrong');
  });
});

describe('what is ready to be copied', () => {
  const of = { project: 'shop', model: 'iris', number: 3, environment: 'local', endpoint: { url: 'http://here/x' } };

  it('keeps quotes from ending the shell’s', () => {
    const name = { inputs: [{ name: "it's", shape: [1], datatype: 'FP64', data: [0] }] };
    expect(snippets(of, JSON.stringify(name))[0]?.text).toContain(`it'\\''s`);
  });

  it('asks by the Merlin client with the data as Python writes it, and the server named', () => {
    const mixed = {
      inputs: [
        { name: 'age', shape: [1], datatype: 'FP64', data: [3] },
        { name: 'count', shape: [1], datatype: 'INT64', data: [3] },
        { name: 'is "new"', shape: [1], datatype: 'BOOL', data: [true] },
        { name: 'city', shape: [1], datatype: 'BYTES', data: [null] },
      ],
    };
    const text = snippets(of, JSON.stringify(mixed), 'http://merlin').find(({ key }) => key === 'client')?.text;
    expect(text).toContain('merlin.set_url("http://merlin")');
    expect(text).toContain(
      'data = {\n    "age": [3.0],\n    "count": [3],\n    "is \\"new\\"": [True],\n    "city": [None],\n}',
    );
    const tensor = { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] };
    expect(snippets(of, JSON.stringify(tensor), 'http://merlin')[2]?.text).toContain(
      'data = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
    );
  });

  it('is the same request on fewer lines', () => {
    expect(JSON.parse(lines(JSON.stringify(request)))).toEqual(request);
    expect(lines(JSON.stringify(request)).split('\n')).toHaveLength(5);
  });
});
