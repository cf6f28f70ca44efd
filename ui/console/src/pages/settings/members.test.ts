import { expect, it } from 'vitest';
import type { Role } from '@/graphql/generated';
import { lost } from './members';

const editing = 'change models, deploy, serve or see values of variables';
const ruling = 'change its settings, members and secrets';

it.each<[Role, Role, string]>([
  ['EDITOR', 'READER', editing],
  ['ADMINISTRATOR', 'EDITOR', ruling],
  ['ADMINISTRATOR', 'READER', `${editing}, nor ${ruling}`],
])('from %s to %s all that is lost is said', (from, to, said) => {
  expect(lost({ from, to })).toBe(said);
});
