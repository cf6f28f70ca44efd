import { expect, it } from 'vitest';
import { aliasProblem, labelProblem } from './chip-names';

it.each(['champion', 'a', 'A-b_c.9', 'v', 'v1x', 'a'.repeat(63)])('@%s is an alias', (name) => {
  expect(aliasProblem(name)).toBeUndefined();
});

it.each([
  ['9th', /begins with a letter/],
  ['a b', /letters, digits/],
  ['a/b', /letters, digits/],
  ['V12', /mistaken for a version/],
  ['Latest', /mistaken for a version/],
  ['a'.repeat(64), /at most 63 characters; this one has 64/],
])('@%s is none', (name, why) => {
  expect(aliasProblem(name)).toMatchObject({ wrong: expect.stringMatching(why) });
  expect(aliasProblem(name)?.unfinished).toBeFalsy();
});

it.each([
  ['stage', ''],
  ['team/x.y', 'one of 3, ä'],
  ['9', 'x'.repeat(255)],
])('%s=%s is a label', (key, value) => {
  expect(labelProblem(key, value)).toBeUndefined();
});

it.each([
  ['a b', '', /letters, digits/],
  ['-a', '', /no sign at its ends/],
  ['mlflow.user', '', /are taken/],
  ['a', 'b\tc', /plain text/],
  ['a', 'b\u00a0c', /plain text/],
  ['k'.repeat(64), '', /at most 63 characters/],
  ['a', 'x'.repeat(256), /at most 255 characters; this one has 256/],
])('%s=%s is none', (key, value, why) => {
  expect(labelProblem(key, value)).toMatchObject({ wrong: expect.stringMatching(why) });
});

it('what the next letter may mend is only unfinished', () => {
  expect(aliasProblem('')?.unfinished).toBe(true);
  expect(aliasProblem('a-')?.unfinished).toBe(true);
  expect(labelProblem('team/', '')?.unfinished).toBe(true);
  expect(labelProblem('te am/', '')?.unfinished).toBe(false);
});
