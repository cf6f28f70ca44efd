import { expect, it } from 'vitest';
import { changes, labelled, meanwhile, nothing, onLabels, typed, without } from './draft';

const now = { description: 'old', team: '', stream: '', labels: [{ key: 'stage', value: 'test' }] };

it('what is typed and taken back is no change', () => {
  const draft = typed(typed(nothing, now, 'description', 'new'), now, 'description', 'old');
  expect(draft).toEqual(nothing);
  expect(changes(draft, now)).toBe(false);
  expect(labelled(labelled(nothing, now.labels, 'stage', null), now.labels, 'stage', 'test')).toEqual(nothing);
});

it("another's change of the field is told, of other fields not", () => {
  const draft = typed(nothing, now, 'description', 'mine');
  expect(meanwhile(draft, now, 'description')).toBeUndefined();
  expect(meanwhile(draft, { ...now, team: 'theirs' }, 'team')).toBeUndefined();
  expect(meanwhile(draft, { ...now, description: 'theirs' }, 'description')).toBe('theirs');
  expect(meanwhile(draft, { ...now, description: 'mine' }, 'description')).toBeUndefined();
});

it("only one's own labels are changed on those there are", () => {
  let draft = labelled(nothing, now.labels, 'stage', null);
  draft = labelled(draft, now.labels, 'cost', '4711');
  const theirs = [...now.labels, { key: 'area', value: 'shop' }];
  expect(onLabels(draft, theirs)).toEqual([
    { key: 'area', value: 'shop' },
    { key: 'cost', value: '4711' },
  ]);
  expect(changes(draft, now)).toBe(true);
  expect(changes(draft, { ...now, labels: [{ key: 'cost', value: '4711' }] })).toBe(false);
});

it('what was typed while it was being saved is left', () => {
  const sent = labelled(typed(nothing, now, 'team', 'a'), now.labels, 'x', '1');
  const more = typed(typed(sent, now, 'team', 'ab'), now, 'stream', 's');
  expect(without(sent, sent)).toEqual(nothing);
  expect(without(more, sent)).toEqual({
    texts: { team: { was: 'a', is: 'ab' }, stream: { was: '', is: 's' } },
    labels: {},
  });
});
