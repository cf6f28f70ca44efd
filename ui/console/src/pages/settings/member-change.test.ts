import { expect, it } from 'vitest';
import { changed, type Member } from './member-change';

const members: Member[] = [
  { subject: 'ada', role: 'ADMINISTRATOR' },
  { subject: 'bob', role: 'READER' },
];

it('one change is made to the list as it is', () => {
  expect(changed(members, { add: { subject: 'eve', role: 'EDITOR' } })).toEqual([
    ...members,
    { subject: 'eve', role: 'EDITOR' },
  ]);
  expect(changed(members, { set: { subject: 'bob', role: 'EDITOR' } })).toEqual([
    members[0],
    { subject: 'bob', role: 'EDITOR' },
  ]);
  expect(changed(members, { remove: 'bob' })).toEqual([members[0]]);
  expect(changed(members, { remove: 'gone' })).toEqual(members);
});

it('who is there is not added again, who is gone does not come back', () => {
  expect(changed(members, { add: { subject: 'bob', role: 'EDITOR' } })).toEqual({
    wrong: 'bob is a member already; change the role in the list.',
  });
  expect(changed(members, { set: { subject: 'gone', role: 'EDITOR' } })).toHaveProperty('wrong');
});
