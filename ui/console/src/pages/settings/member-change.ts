// One change of a project's members. The API replaces the whole list, so each change is made to the newest one.
import { useState } from 'react';
import { useClient } from 'urql';
import { useAct } from '@/graphql/act';
import { NewestMembersDocument, ProjectMembersDocument, UpdateProjectDocument, type Role } from '@/graphql/generated';
import { problemOf, type Problem } from '@/graphql/problem';

export type Member = { subject: string; role: Role };
export type Change = { add: Member } | { set: Member } | { remove: string };

/** The list with just this change, or why it cannot be. Who is gone already need not be removed. */
export function changed(members: readonly Member[], change: Change): Member[] | { wrong: string } {
  const there = (subject: string) => members.find((member) => member.subject === subject);
  if ('remove' in change) return members.filter(({ subject }) => subject !== change.remove);
  if ('add' in change) {
    const held = there(change.add.subject);
    if (held) return { wrong: `${held.subject} is a member already; change the role in the list.` };
    return [...members, change.add];
  }
  const { set } = change;
  if (!there(set.subject)) return { wrong: `${set.subject} is no longer a member: somebody else removed it.` };
  return members.map((member) => (member.subject === set.subject ? set : member));
}

// Those of this window one after the other: each reads what the one before has written.
let before: Promise<unknown> = Promise.resolve();

export function useMemberChange(project: { id: string; name: string }) {
  const client = useClient();
  const update = useAct(UpdateProjectDocument);
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<Problem[]>([]);

  const read = (query: typeof NewestMembersDocument | typeof ProjectMembersDocument) =>
    client.query(query, { project: project.name }, { requestPolicy: 'network-only' }).toPromise();

  const make = async (change: Change, done: string): Promise<boolean> => {
    const { data, error } = await read(NewestMembersDocument);
    if (error || !data?.project?.members) {
      setFound(error ? [problemOf(error)] : []);
      return false;
    }
    // Without the names of types that the client puts beside them.
    const newest = data.project.members.map(({ subject, role }) => ({ subject, role }));
    const members = changed(newest, change);
    if ('wrong' in members) {
      setFound([{ code: 'CONFLICT', message: members.wrong, path: ['members'] }]);
      return false;
    }
    if (!(await update.act({ projectId: project.id, members }, done))) return false;
    // Shown before the control stops being busy.
    await read(ProjectMembersDocument);
    return true;
  };
  const act = async (change: Change, done: string): Promise<boolean> => {
    setBusy(true);
    update.forget();
    setFound([]);
    const mine = before.then(() => make(change, done));
    before = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      setBusy(false);
    }
  };
  const forget = () => {
    update.forget();
    setFound([]);
  };
  return { act, busy, problems: [...found, ...update.problems], forget };
}
