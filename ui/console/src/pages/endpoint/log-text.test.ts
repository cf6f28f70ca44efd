import { expect, it } from 'vitest';
import { readable, spoken } from './log-text';

const fixed = { time: '2026-11-25T00:23:22.842+00:00', logger: 'merlin_runtime.loading', model: 'iris', revision: '1' };

it('reads what a JSON line says, and leaves out what all lines say', () => {
  const text = JSON.stringify({ ...fixed, level: 'info', message: 'model loaded', flavor: 'sklearn', seconds: 4.3 });
  expect(spoken(text)).toBe('model loaded flavor=sklearn seconds=4.3');
});

it('says how loud it is, and what was thrown', () => {
  const text = JSON.stringify({ ...fixed, level: 'ERROR', message: 'it broke', exception: 'Traceback\nKeyError: 1' });
  expect(readable(text)).toMatchObject({ level: 'error', message: 'it broke', exception: 'Traceback\nKeyError: 1' });
  expect(spoken(text)).toBe('error: it broke\nTraceback\nKeyError: 1');
});

it('reads the beginning of a line that was cut', () => {
  expect(spoken('{"time": "x", "level": "error", "message": "a \\"quoted\\" one", "exception": "Traceb')).toBe(
    'error: a "quoted" one',
  );
});

it('reads the runtime’s last word', () => {
  expect(spoken('MERLIN_FAILURE {"code": "MODEL_LOAD_FAILED", "message": "No.", "details": {"log": "…"}}')).toBe(
    'error: No. code=MODEL_LOAD_FAILED',
  );
});

it('leaves any other text as it is', () => {
  const noJson = ['{"message": "\\q"', '{"level": "a\tb", "message": "x', '{"message": "a\u0000b"'];
  for (const text of [...noJson, 'Traceback (most recent call last):', '{"a": 1}', '{x', '[1]', '', '  File "x"'])
    expect(readable(text)).toBeUndefined();
});
